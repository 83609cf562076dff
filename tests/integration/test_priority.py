"""A process that stands back does so among the processes of other sessions, too."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from config.local.launching import spawn
from config.local.priority import AUTOGROUP


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not weigh processes by session")
def test_the_session_of_a_process_stands_back_with_it() -> None:
    process = spawn([sys.executable, "-c", "print('ready', flush=True); input()"], nice=5)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == os.nice(0) + 5
        group = Path(f"/proc/{process.pid}/autogroup").read_text()
        assert group.split()[-2:] == ["nice", str(os.nice(0) + 5)]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=5)
        process.stdout.close()
