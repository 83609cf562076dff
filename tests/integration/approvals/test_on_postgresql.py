"""Decisions on PostgreSQL, where two really decide at the same time: the same tests, on a server of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.postgresql import PostgreSQL

ROOT = Path(__file__).parents[3]
HERE = "tests/integration/approvals"


@pytest.mark.skipif("AIOPS_TEST_DATABASE_URL" in os.environ, reason="they run on PostgreSQL already")
def test_races_and_lost_workers_end_in_the_same_way_on_postgresql(postgresql: PostgreSQL) -> None:
    files = [f"{HERE}/test_{name}.py" for name in ("races", "surviving", "consent", "repeats", "locks")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    env = {**os.environ, "AIOPS_TEST_DATABASE_URL": postgresql.url}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
