"""Django's commands and ``aiops doctor`` on a home's data, with or without ``aiops up`` running."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from aiops.settings import current
from config import env, sqlite
from config.env import BadEnvironment
from config.local.home import Home, Unusable


def use_home() -> Home:
    """Add the home's secrets and servers to the environment, unless it names others; exits if that is impossible."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        settings = env.read()
    except BadEnvironment as bad:
        sys.exit(str(bad))
    home = Home(settings.home)
    try:
        for name, value, path in (
            ("AIOPS_SECRET_KEY", settings.secret_key, home.secret_key),
            ("AIOPS_SECRET_KEY_FALLBACKS", settings.secret_key_fallbacks, home.secret_key_fallbacks),
            ("AIOPS_ENCRYPTION_KEYS", settings.encryption_keys, home.encryption_keys),
            ("REDIS_URL", settings.redis_url, home.redis_url),
        ):
            if not value.get_secret_value() and path.exists():
                path.read_text()
                os.environ[f"{name}_FILE"] = str(path)
    except OSError as error:
        sys.exit(f"aiops: {error.filename} cannot be read ({error.strerror}): run this as the home's owner.")
    if not settings.secret_key.get_secret_value() and not home.secret_key.exists():
        sys.exit(f"aiops: there is no home at {home.path}: start `aiops up` there, or set AIOPS_HOME to another one.")
    return home


def without_pool() -> None:
    """Connect to the database directly: one thread needs no pool, and the pool would hide why a connection fails."""
    from django.db import connection

    connection.settings_dict["OPTIONS"].pop("pool", None)


def make_database() -> None:
    """Create the file of a new SQLite database; raises Unusable if the home's database has vanished."""
    settings = current()
    if (file := sqlite.file_of(settings.database_url.get_secret_value(), settings.home)) is not None:
        sqlite.make_first(file, Home(settings.home))


def _refuse_passwordless(arguments: Sequence[str]) -> None:
    """Exit where Django would make an administrator who can never sign in."""
    unattended = {"--noinput", "--no-input"}.intersection(arguments)
    if arguments[:1] == ["createsuperuser"] and unattended and not os.environ.get("DJANGO_SUPERUSER_PASSWORD"):
        sys.exit("aiops: set DJANGO_SUPERUSER_PASSWORD: without it the administrator could not sign in.")


def execute(arguments: Sequence[str]) -> None:
    """Run one of Django's commands."""
    use_home()
    _refuse_passwordless(arguments[1:])
    import django
    from django.core.management import execute_from_command_line

    try:
        if "migrate" in arguments[1:2]:
            django.setup()
            make_database()
        execute_from_command_line(list(arguments))
    except Unusable as problem:
        sys.exit(f"aiops: {problem}")
