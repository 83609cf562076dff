"""The home folder: all files that ``aiops up`` writes, readable by their owner only."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import IO
from urllib.parse import quote

from aiops.errors import is_disk_full

QUICK_CHECK_BYTES = 100_000_000
"""Larger databases are only opened, not checked, before a start."""
UNUSABLE = 3
"""Exit code of a process that printed on standard error, in one sentence, why the home is not usable."""


class Unusable(Exception):
    """The home is not usable; the message is one sentence with the cure."""


class Home:
    """Paths inside the home."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.database = self.path / "db.sqlite3"
        self.logs = self.path / "logs"
        self.valkey = self.path / "valkey"
        self.secret_key = self.path / "secret_key"
        self.secret_key_fallbacks = self.path / "secret_key_fallbacks"
        self.encryption_keys = self.path / "encryption_keys"
        self.token = self.path / "token"
        self.first_password = self.path / "first_password"
        self.redis_url = self.path / "redis_url"
        self.address = self.path / "address"
        self.flower_password = self.path / "flower_password"
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Create the folders and take the lock; raises Unusable."""
        try:
            for folder in (self.path, self.logs, self.valkey):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(13, "no permission to write", str(folder))
            files = (
                self.secret_key,
                self.secret_key_fallbacks,
                self.encryption_keys,
                self.token,
                self.redis_url,
                self.address,
            )
            for file in (self.database, *files):
                if file.is_dir():
                    raise IsADirectoryError(21, f"{file.name} is a folder", str(file))
            self._lock = (self.path / "up.lock").open("a+")
        except OSError as error:
            raise Unusable(
                f"The home {self.path} cannot be written ({error.strerror or error}): "
                "correct its rights or choose another with --home."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Unusable(
                f"aiops is already running from {self.path}: stop that one, or choose another --home."
            ) from error
        self._check_database()

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.close()

    def write(self, path: Path, text: str) -> None:
        """Write a file that only its owner can read, completely or not at all; raises Unusable."""
        partial = path.with_name(path.name + ".new")
        try:
            with os.fdopen(
                os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
                "w",
                encoding="utf-8",
                errors="surrogateescape",
            ) as file:
                file.write(text)
            partial.replace(path)
        except OSError as error:
            raise Unusable(f"{path} cannot be written ({error.strerror}): make room or correct its rights.") from error

    def secret(self, path: Path, *, bytes_: int = 48) -> str:
        """Return the secret in a file, generated on first use; raises Unusable."""
        try:
            secret = path.read_text().strip() if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise Unusable(
                f"{path} cannot be read ({error}): correct its rights, or remove it for a new one."
            ) from error
        if secret and (len(secret) < bytes_ + 2 or not secret.isascii() or not secret.isprintable() or " " in secret):
            raise Unusable(f"{path} is damaged: restore it, or remove it for a new one.")
        if not secret:
            secret = secrets.token_urlsafe(bytes_)
            self.write(path, secret)
        return secret

    def _check_database(self) -> None:
        if not self.database.exists():
            return
        if self.database.stat().st_size == 0 and self.token.exists():  # the token shows that it was in use
            raise self._damaged("it is empty")
        try:
            uri = f"file:{quote(str(self.database))}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=5)) as connection:
                small = self.database.stat().st_size < QUICK_CHECK_BYTES
                answer = connection.execute("PRAGMA quick_check(1)" if small else "PRAGMA schema_version").fetchone()
        except sqlite3.OperationalError as error:
            if is_disk_full(error):
                raise Unusable(f"The disk of the database {self.database} is full: make room.") from error
            raise Unusable(
                f"The database {self.database} cannot be opened ({error}): "
                "correct its rights, or stop the process that uses it."
            ) from error
        except sqlite3.DatabaseError as error:
            raise self._damaged(str(error)) from error
        if small and answer != ("ok",):
            raise self._damaged(str(answer[0]))

    def _damaged(self, reason: str) -> Unusable:
        return Unusable(
            f"The database {self.database} is damaged ({reason}): "
            "restore a backup, or move it away to start from scratch."
        )
