"""The SQLite database file: its path, and that no empty file replaces one that has vanished."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, unquote

from config.local.home import Home, Unusable

SCHEME = "sqlite:///"


def file_of(url: str, home: Path) -> Path | None:
    """Return the file that DATABASE_URL names (empty: the home's); None for a server."""
    if not url:
        return Home(home).database
    return Path(unquote(url.removeprefix(SCHEME))).absolute() if url.startswith(SCHEME) else None


def name_of(file: Path) -> str:
    """Return Django's NAME for a file: a URI, so that special characters are safe and a missing file is an error.

    SQLite would otherwise create an empty file, which hides that the real one is missing.
    """
    return f"file:{quote(str(file))}?mode=rw"


def identity(file: Path | None) -> tuple[int, int] | None:
    """Return the device and inode of the file that lies at a path now; None without one."""
    try:
        found = file.stat() if file is not None else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found is not None else None


def make_first(file: Path, home: Home) -> None:
    """Create the file of a new home, readable by its owner only; raises Unusable if there was one before."""
    if file.exists():
        return
    if file == home.database and home.token.exists():
        raise Unusable(
            f"The database {file} has vanished: put it back with its -wal and -shm, or restore a backup into another "
            f"home (to start from scratch, move {home.path} away)."
        )
    try:
        file.touch(mode=0o600)
    except OSError as error:
        raise Unusable(
            f"{file} cannot be made ({error.strerror}): correct DATABASE_URL or the folder's rights."
        ) from error
