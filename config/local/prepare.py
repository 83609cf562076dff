"""Migrates the database for ``aiops up``, creates the first administrator; prints their name and the model as JSON."""

from __future__ import annotations

import itertools
import json
import os
import secrets
import sys
from pathlib import Path

import django

from aiops.errors import is_disk_full
from config import management
from config.local.home import UNUSABLE, Unusable

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    """Migrate, and create the administrator and the home's token if they are missing."""
    django.setup()
    management.without_pool()
    from django.core.management import CommandError, call_command
    from django.db import DatabaseError
    from django.db.migrations.exceptions import InconsistentMigrationHistory

    try:
        management.make_database()
        call_command("migrate", verbosity=0, interactive=False)
        print(json.dumps({"name": _people(Path(sys.argv[1]), Path(sys.argv[2])), "model": _model()}))
    except (Unusable, DatabaseError, InconsistentMigrationHistory, CommandError) as error:
        print(error if isinstance(error, Unusable) else _sentence(error), file=sys.stderr)
        sys.exit(UNUSABLE)


def _sentence(error: Exception) -> str:
    reason = " ".join(str(error).split())  # PostgreSQL's errors have several lines
    if is_disk_full(error):
        return f"The disk of the database is full ({reason}): make room and start again."
    return f"The database cannot be used ({reason}): check that it runs, or restore a backup of this version."


def _people(token_path: Path, password_path: Path) -> str:
    """Return the administrator's name; a new password stays in its file until ``aiops up`` has shown it."""
    from aiops.people import tokens
    from aiops.people.models import User

    administrator = User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined").first()
    if administrator is None:
        password = secrets.token_urlsafe(12)
        _write(password_path, password)
        names = ("admin" if n == 1 else f"admin-{n}" for n in itertools.count(1))
        free = next(name for name in names if not User.objects.filter(username=name).exists())
        administrator = User.objects.create_superuser(free, password=password)
    token = tokens.find(token_path.read_text(errors="replace").strip()) if token_path.exists() else None
    if token is None or token.user != administrator:
        _, text = tokens.issue(administrator, name="aiops up")
        _write(token_path, text)
    return administrator.username


def _model() -> str:
    """Return which model answers, for the eyes of whoever starts aiops."""
    from django.conf import settings

    from aiops.errors import Refused
    from aiops.llm import choice, snapshot
    from aiops.llm.providers import OFFLINE

    try:
        spec = choice.choose(snapshot.current(settings.SETTINGS), {})
    except Refused as problem:
        return f"none: {problem.detail}"
    if spec.handler_name == OFFLINE:
        return "offline: tools only, no language model (to add one: the page Models, see the README)"
    return f"{spec.name} ({spec.provider})"


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


if __name__ == "__main__":
    main()
