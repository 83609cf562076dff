"""Homes whose database is ready for use."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from tests.started import HOME


def prepare(home: Path, *, url: str = "") -> subprocess.CompletedProcess[str]:
    """Do what ``aiops up`` does to the database before anything else."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "REDIS_URL")}
    secret = home / "secret_key"
    if not secret.exists():
        secret.write_text(secrets.token_urlsafe(48))
    env = {**kept, "AIOPS_HOME": str(home), "AIOPS_SECRET_KEY": secret.read_text()}
    env |= {"DATABASE_URL": url} if url else {}
    command = [sys.executable, "-m", "config.local.prepare", str(home / "token"), str(home / "first_password")]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def make_prepared(home: Path) -> Path:
    """Make a home as ``prepare`` leaves a new one: migrated, with an administrator and their token."""
    return Path(shutil.copytree(_prepared(), home))


@functools.cache
def _prepared() -> Path:
    """Return the home that the others are copies of: its migrations take seconds."""
    home = HOME / "prepared"
    made = prepare(home)
    assert made.returncode == 0, made.stderr
    return home
