"""A PostgreSQL of the tests' own."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import missing, program
from tests.servers.server import Server

SETTINGS = {"unix_socket_directories": "", "max_connections": "200", "fsync": "off"}
"""Without fsync a killed server still forgets nothing: the kernel has what it wrote."""


def _found() -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    if not versions and not on_path:
        missing("PostgreSQL server (Debian: postgresql)")
    return versions[-1].parent if versions else Path(on_path or "").parent


def _other_user() -> list[str]:
    """Return what a command begins with to run as ``postgres``."""
    if not any(account.pw_name == "postgres" for account in pwd.getpwall()):
        missing("user postgres (Debian: postgresql)")
    return [program("setpriv", package="util-linux"), "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def open_folder(name: str) -> Path:
    """Make a folder that other users can reach; it goes when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix=f"aiops-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    return folder


class PostgreSQL(Server):
    """It refuses to run as root, so root starts it as the user ``postgres``."""

    name = "postgresql"

    def __init__(self, folder: Path, *, data: Path | None = None, **where: Any) -> None:
        super().__init__(folder, **where)
        self._bin = _found()
        self._as = _other_user() if os.geteuid() == 0 else []
        # Not in pytest's folders: every session of pytest closes them to other users, such as postgres, when it starts.
        self._data = data or open_folder("postgresql")
        self._data.mkdir(exist_ok=True)
        if self._as:
            account = pwd.getpwnam("postgres")
            os.chown(self._data, account.pw_uid, account.pw_gid)
        subprocess.run(
            [*self._as, str(self._bin / "initdb"), "-D", str(self._data), "-U", "aiops", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        with (self._data / "pg_hba.conf").open("a") as rights:
            rights.write(f"host all all {self.host}/24 trust\n")

    @property
    def url(self) -> str:
        return f"postgres://aiops@{self.host}:{self.port}/postgres"

    def command(self) -> Sequence[str]:
        options = [
            part
            for name, value in {**SETTINGS, "listen_addresses": self.host}.items()
            for part in ("-c", f"{name}={value}")
        ]
        return [*self._as, str(self._bin / "postgres"), "-D", str(self._data), "-p", str(self.port), *options]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
