"""A PostgreSQL of the tests' own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.conftest import missing
from tests.servers.server import Server

SETTINGS = {"unix_socket_directories": "", "max_connections": "200", "fsync": "off"}
"""Without fsync a killed server still forgets nothing: the kernel has what it wrote."""


def _found() -> Path:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    on_path = shutil.which("initdb")
    if not versions and not on_path:
        missing("PostgreSQL server (Debian: postgresql)")
    return versions[-1].parent if versions else Path(on_path or "").parent


class PostgreSQL(Server):
    """It refuses to run as root, so root starts it as the user ``postgres``."""

    name = "postgresql"

    def __init__(self, folder: Path, **where: Any) -> None:
        super().__init__(folder, **where)
        self._bin = _found()
        self._as = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        data = folder / "data"
        data.mkdir()
        if self._as:
            account = pwd.getpwnam("postgres")
            os.chown(data, account.pw_uid, account.pw_gid)
            for parent in [folder, *folder.parents]:
                if parent.owner() == "root" and str(parent).startswith("/tmp/"):
                    parent.chmod(0o755)
        subprocess.run(
            [*self._as, str(self._bin / "initdb"), "-D", str(data), "-U", "aiops", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        with (data / "pg_hba.conf").open("a") as rights:
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
        data = str(self.folder / "data")
        return [*self._as, str(self._bin / "postgres"), "-D", data, "-p", str(self.port), *options]

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
