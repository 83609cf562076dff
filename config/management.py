"""Django's commands and doctor on the data of a home, with or without ``aiops up`` running."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from config import env
from config.env import BadEnvironment
from config.home import Home


def use_home() -> Home:
    """Point the environment at the home's secrets and servers where it does not name others; ends when unusable."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        settings = env.read()
    except BadEnvironment as bad:
        sys.exit("aiops cannot start:\n" + "\n".join(f"  - {problem}" for problem in bad.problems))
    home = Home(settings.home)
    try:
        for name, value, path in (
            ("AIOPS_SECRET_KEY", settings.secret_key, home.secret_key),
            ("REDIS_URL", settings.redis_url, home.redis_url),
        ):
            if not value.get_secret_value() and path.exists():
                path.read_text()
                os.environ[f"{name}_FILE"] = str(path)
    except OSError as error:
        sys.exit(f"aiops: {error.filename} cannot be read ({error.strerror}): run this as the home's owner.")
    if not settings.secret_key.get_secret_value() and not home.secret_key.exists():
        sys.exit(f"aiops: there is no home at {home.path}: start `aiops up` there, or set AIOPS_HOME to the right one.")
    return home


def without_pool() -> None:
    """Connect to the database directly: a process of one thread needs no pool, and is then told why it is refused."""
    from django.db import connection

    connection.settings_dict["OPTIONS"].pop("pool", None)


def execute(arguments: Sequence[str]) -> None:
    """Run one of Django's commands."""
    use_home()
    from django.core.management import execute_from_command_line

    execute_from_command_line(list(arguments))
