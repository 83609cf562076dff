"""Images for the tests' Docker Engine, made of Debian's packages: none can be pulled everywhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.conftest import program
from tests.deploy.engine import Engine

SUITE = "trixie"
PACKAGES = (
    "python3",
    "python3-venv",
    "ca-certificates",
    "postgresql",
    "rabbitmq-server",
    "valkey-server",
    "valkey-tools",
)
BASE = "aiops-test/base"
SERVERS = {"postgres": "postgres:17", "rabbitmq": "rabbitmq:4", "valkey": "valkey/valkey:9"}
"""Under the names that docker-compose.yml gives them."""
FOLDER = Path(__file__).parent / "images"
CERTIFICATES = Path("/etc/ssl/certs")
KEPT = Path(os.environ.get("XDG_CACHE_HOME", "/var/cache")) / f"aiops-test-{SUITE}.tar"
"""The root, from one run to the next: it takes minutes to make."""


def make(engine: Engine) -> None:
    """Make the base image and the servers' images."""
    if not KEPT.exists():
        _make_root()
    with KEPT.open("rb") as file:
        engine.docker("import", "-", BASE, stdin=file)
    for name, tag in SERVERS.items():
        engine.docker("build", "--build-arg", f"BASE={BASE}", "--tag", tag, str(FOLDER / name))


def _make_root() -> None:
    debootstrap = program("debootstrap", package="debootstrap")
    with tempfile.TemporaryDirectory(prefix="aiops-root-", dir="/var/tmp") as folder:
        command = [debootstrap, "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, folder, _mirror()]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
        # What this machine trusts: its package index may have a certificate of its own.
        shutil.rmtree(Path(folder) / "etc/ssl/certs")
        shutil.copytree(CERTIFICATES, Path(folder) / "etc/ssl/certs")
        partial = KEPT.with_suffix(".part")
        subprocess.run(["tar", "--numeric-owner", "-C", folder, "-cf", str(partial), "."], check=True)
        partial.replace(KEPT)


def _mirror() -> str:
    """Return where this machine has Debian's packages from; it may have those of others, too."""
    done = subprocess.run(["apt-cache", "policy", "base-files"], capture_output=True, text=True, check=True)
    found = re.findall(r"^ +-?\d+ (https?://\S+) \S+/main", done.stdout, re.MULTILINE)
    assert found, f"apt knows no source of Debian: {done.stdout}"
    return next(iter([one for one in found if "security" not in one]), found[0])
