"""Homes with a database that is migrated, but as empty as at a first start: migrating takes seconds each time."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from tests.acceptance.system import BIN
from tests.started import HOME


def migrated(home: Path) -> Path:
    """Make a home for a test that is not about the first start."""
    home.mkdir(mode=0o700, parents=True)
    shutil.copyfile(_database(), home / "db.sqlite3")
    (home / "db.sqlite3").chmod(0o600)
    return home


@functools.cache
def _database() -> Path:
    home = HOME / "migrated"
    home.mkdir()
    environment = {"PATH": os.environ["PATH"], "AIOPS_HOME": str(home), "AIOPS_SECRET_KEY": "k" * 60}
    command = [str(BIN / "aiops"), "manage", "migrate", "--verbosity=0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return home / "db.sqlite3"
