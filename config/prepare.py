"""Brings the database up to date and makes the first administrator; prints what ``aiops up`` shows, as JSON."""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    """Migrate, make the administrator and the home's token, and tell what was made."""
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)
    print(json.dumps({"name": _people(Path(sys.argv[1]), Path(sys.argv[2]))}))


def _people(token_path: Path, password_path: Path) -> str:
    """Return the administrator's name; a password just made waits in its file until it has been shown."""
    from aiops.people import tokens
    from aiops.people.models import User

    administrator = User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined").first()
    if administrator is None:
        password = secrets.token_urlsafe(12)
        _write(password_path, password)
        administrator = User.objects.create_superuser("admin", password=password)
    if not token_path.exists() or tokens.find(token_path.read_text().strip()) is None:
        _, text = tokens.issue(administrator, name="aiops up")
        _write(token_path, text)
    return administrator.username


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)


if __name__ == "__main__":
    main()
