"""Backup of a home, also while it is in use, and restore.

A backup holds the database and the secrets, not memory: agents rebuild that from the transcript.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import click

from config.local.home import Home, Unusable
from config.upgrade import refuse_unknown_copy

SECRETS = ("secret_key", "token")
OPTIONAL = ("secret_key_fallbacks", "encryption_keys")
"""Files that a home has only while its secret key is rotated, or since a version that encrypts secrets."""
DATABASE = "db.sqlite3"


class CannotCopy(click.ClickException):
    """The backup or restore is not possible; the message names the cure."""


def make(home: Home, to: Path) -> None:
    """Write the archive, readable by its owner only; raises CannotCopy."""
    if not home.database.exists():
        raise CannotCopy(f"There is no database in {home.path}: name the home with --home.")
    try:
        with tempfile.TemporaryDirectory(dir=to.absolute().parent, prefix=".aiops-backup-") as folder:
            copy, archive = Path(folder) / DATABASE, Path(folder) / "archive"
            with closing(sqlite3.connect(home.database, timeout=30)) as rows, closing(sqlite3.connect(copy)) as into:
                rows.backup(into)
            with os.fdopen(os.open(archive, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                with tarfile.open(fileobj=opened, mode="w:gz") as written:
                    written.add(copy, DATABASE)
                    for name in (*SECRETS, *OPTIONAL):
                        if (home.path / name).exists():
                            written.add(home.path / name, name)
            archive.replace(to)  # so a file of this name is always complete
    except (OSError, sqlite3.Error) as error:
        raise CannotCopy(f"{to} cannot be written ({error}): make room or correct its rights.") from error


def restore(archive: Path, home: Home) -> None:
    """Make a home from an archive, completely or not at all; raises CannotCopy."""
    if home.path.exists() and any(home.path.iterdir()):
        raise CannotCopy(f"{home.path} is not empty: move it away, or name another folder with --home.")
    home.path.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=home.path.parent, prefix=".aiops-restore-"))
    try:
        with tarfile.open(archive, "r:gz") as opened:
            there = [name for name in OPTIONAL if name in opened.getnames()]
            for name in (DATABASE, *SECRETS, *there):
                _extract(opened, name, folder)
        with closing(sqlite3.connect(f"file:{quote(str(folder / DATABASE))}?mode=ro", uri=True)) as rows:
            (answer,) = rows.execute("PRAGMA quick_check(1)").fetchone()
            if answer != "ok":
                raise CannotCopy(f"The database in {archive} is damaged ({answer}): use another backup.")
            refuse_unknown_copy(rows)
        if home.path.exists():
            home.path.rmdir()
        folder.replace(home.path)
    except Unusable as error:
        raise CannotCopy(str(error)) from error
    except (OSError, KeyError, tarfile.TarError, sqlite3.Error, EOFError) as error:
        raise CannotCopy(f"{archive} is not a readable backup ({error}): use another one.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _extract(opened: tarfile.TarFile, name: str, folder: Path) -> None:
    """Extract one member under its own name; paths in the archive are never used."""
    try:
        member = opened.getmember(name)
    except KeyError:
        if name == DATABASE:
            raise
        return
    source = opened.extractfile(member) if member.isfile() else None
    if source is None:
        raise tarfile.TarError(f"{name} is not a file")
    with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(source, file)
