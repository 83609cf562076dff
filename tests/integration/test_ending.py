"""A worker that cannot stop by itself is ended, but not while it works."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

STUCK = """
import sys, threading
import django
django.setup()
from celery.signals import worker_shutting_down
from celery.worker import state
from workers import ending
ending.PATIENCE_S = 0
task = type("Task", (), {})()
if "busy" in sys.argv:
    state.active_requests.add(task)
worker_shutting_down.send(sender=None)
print("asked", flush=True)
sys.stdin.readline()
state.active_requests.clear()
threading.Event().wait()
"""


def stuck(*arguments: str) -> subprocess.Popen[str]:
    """Start a process that is asked to stop and whose main thread never ends."""
    return subprocess.Popen(
        [sys.executable, "-c", STUCK, *arguments],
        env={**os.environ, "AIOPS_DRAIN_S": "0.1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_worker_that_does_not_stop_is_ended_and_says_so() -> None:
    with stuck() as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "worker.cannot_stop" in output


def test_a_worker_that_does_not_stop_is_not_ended_while_a_task_is_running() -> None:
    with stuck("busy") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asked\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=2)

        output, _ = process.communicate("done\n", timeout=60)
    assert process.returncode == 1
    assert "worker.cannot_stop" in output
