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
    print(json.dumps(_people(Path(sys.argv[1]))))


def _people(token_path: Path) -> dict[str, str]:
    from aiops.people import tokens
    from aiops.people.models import User

    administrator = User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined").first()
    made = {}
    if administrator is None:
        made["password"] = secrets.token_urlsafe(12)
        administrator = User.objects.create_superuser("admin", password=made["password"])
    if not token_path.exists() or tokens.find(token_path.read_text().strip()) is None:
        _, text = tokens.issue(administrator, name="aiops up")
        token_path.touch(mode=0o600)
        token_path.chmod(0o600)
        token_path.write_text(text)
    return {"name": administrator.username, **made}


if __name__ == "__main__":
    main()
