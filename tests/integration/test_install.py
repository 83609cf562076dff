"""What is shown while ``make run`` installs: how many packages of how many, whichever pip it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.install import Progress

ROOT = Path(__file__).parents[2]
LOCK = """\
amqp==5.3.1 \\
    --hash=sha256:aaaa \\
    --hash=sha256:bbbb
appnope==0.1 ; sys_platform == 'darwin' \\
    --hash=sha256:cccc
click[x]==8.1 \\
    --hash=sha256:dddd
setuptools==84.0 \\
    --hash=sha256:eeee
"""
IGNORED = "Ignoring appnope: markers \"sys_platform == 'darwin'\" don't match your environment\n"


def shown(*lines: str, unpacked: int = 0) -> str:
    progress = Progress(LOCK)
    for line in lines:
        progress.read(line)
    return progress.line(after_s=20.4, unpacked=unpacked)


def test_an_installation_begins_with_no_package_fetched() -> None:
    assert shown() == "  20 s: 0 of 4 packages fetched"


@pytest.mark.parametrize("suffix", ["", " (from -r requirements.lock (line 1))"])
def test_packages_are_counted_as_pip_fetches_them_and_others_platforms_are_not(suffix: str) -> None:
    lines = (IGNORED, f"Collecting amqp==5.3.1{suffix}\n", "  Downloading amqp-5.3.1-py3-none-any.whl (50 kB)\n")
    assert shown(*lines) == "  20 s: 1 of 3 packages fetched"
    here = "Requirement already satisfied: setuptools==84.0 in ./lib (from -r requirements.lock (line 7)) (84.0)\n"
    assert shown(*lines, here) == "  20 s: 2 of 3 packages fetched"


def test_an_installation_counts_packages_as_they_are_unpacked() -> None:
    assert shown("Installing collected packages: amqp, click\n", unpacked=1) == "  20 s: 1 of 2 packages unpacked"
    assert shown("Installing collected packages: amqp, click\n", unpacked=3) == "  20 s: 2 of 2 packages unpacked"


def test_a_lock_that_cannot_be_installed_shows_why_and_fails(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("no-such-package-here==1 --hash=sha256:" + "0" * 64 + "\n")
    command = [sys.executable, str(ROOT / "scripts/install.py"), str(lock)]
    env = {"PATH": "/usr/bin:/bin", "PIP_NO_INDEX": "1", "HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no-such-package-here" in done.stderr
    assert "Installed" not in done.stdout
