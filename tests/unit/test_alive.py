"""Signs of life: what `aiops probe` says of processes that work, are stuck, or are gone."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from aiops import alive
from aiops.alive import Sign


def shown(home: Path, kind: str = "worker") -> Path:
    Sign(kind, home).show()
    return next((home / "alive").glob(f"{kind}.*.{os.getpid()}"))


def test_a_process_that_works_is_no_problem_to_its_own_kind_alone(tmp_path: Path) -> None:
    shown(tmp_path)
    assert alive.problem("worker", tmp_path) == ""
    assert "no beat process of this host works" in alive.problem("beat", tmp_path)


def test_a_process_that_is_silent_is_stuck_however_many_others_work(tmp_path: Path) -> None:
    path = shown(tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        stuck = path.with_name(path.name.replace(f".{os.getpid()}", f".{other.pid}"))
        stuck.touch()
        assert alive.problem("worker", tmp_path) == ""
        os.utime(stuck, (time.time() - 90, time.time() - 90))
        assert f"the worker process {other.pid} has shown no sign of life for 90 s" in alive.problem("worker", tmp_path)
        other.kill()
    assert alive.problem("worker", tmp_path) == ""


def test_signs_of_other_hosts_say_nothing_about_this_one(tmp_path: Path) -> None:
    path = shown(tmp_path)
    path.rename(path.with_name(f"worker.elsewhere.{os.getpid()}"))
    assert "no worker process of this host" in alive.problem("worker", tmp_path)


def test_a_sign_ends_with_its_process_and_old_ones_are_removed(tmp_path: Path) -> None:
    sign, old = Sign("worker", tmp_path), tmp_path / "alive" / "worker.gone.1"
    old.parent.mkdir()
    old.touch()
    os.utime(old, (0, 0))
    sign.show()
    assert not old.exists()
    sign.end()
    assert list(old.parent.iterdir()) == []


def test_a_home_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    Sign("worker", blocked).show()
    assert "no worker process" in alive.problem("worker", blocked)
