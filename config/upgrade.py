"""Refuses a database that another version of aiops made, before anything is written to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.migrations.loader import MigrationLoader

import aiops
from config.local.home import Unusable

SHOWN = 3
Migration = tuple[str, str]
"""An app's label and a migration's name."""


def refuse_unknown(using: str, **_: Any) -> None:
    """Raise Unusable when the database has migrations that this version lacks (a pre_migrate signal)."""
    loader = MigrationLoader(connections[using])
    cure = "use it with that version, or start this one with another home (--home) or an empty database (DATABASE_URL)"
    _refuse("database", cure, loader.applied_migrations, loader.disk_migrations)


def refuse_unknown_copy(rows: sqlite3.Connection) -> None:
    """Raise Unusable when this copy of a database has migrations that this version lacks; needs no Django set-up."""
    files = Path(aiops.__file__).parent.glob("*/migrations/[0-9]*.py")
    known = {(file.parent.parent.name, file.stem) for file in files}
    _refuse("backup", "restore it with that version", rows.execute("SELECT app, name FROM django_migrations"), known)


def _refuse(made: str, cure: str, applied: Iterable[Migration], known: Collection[Migration]) -> None:
    installed = {app for app, _ in known}  # what an app left behind that is no longer installed harms nothing
    unknown = sorted(f"{app}.{name}" for app, name in applied if app in installed and (app, name) not in known)
    if unknown:
        named = ", ".join(unknown[:SHOWN]) + (f" and {len(unknown) - SHOWN} more" if len(unknown) > SHOWN else "")
        raise Unusable(
            f"This {made} was made by another version of aiops (it has {named}). Nothing was changed: {cure}."
        )
