"""One ``aiops up`` to measure, in a home that is gone afterwards, and what its processes use."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from aiops import keyspace
from tests.acceptance.system import System, eventually

ROOT = Path(__file__).parents[2]
WORKERS = 2
UNLIMITED = {"AIOPS_MAX_QUEUED_RUNS": "1000000", "AIOPS_REQUESTS_PER_MINUTE": "10000000"}


class Stack(System):
    """``echo=False`` measures ``aiops up`` exactly as people start it."""

    def __init__(self, *, echo: bool = True, delay_s: float = 0, **environment: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="aiops-bench-"))
        ours = {**UNLIMITED, "DELAY": str(delay_s), "LOG_LEVEL": "WARNING"} if echo else {}
        workers = {"AIOPS_WORKERS": str(WORKERS), "AIOPS_WEB_PROCESSES": "1" if echo else "0"}
        super().__init__(self._folder / "home", PYTHONPATH=str(ROOT), **{**ours, **workers, **environment})
        if echo:
            self.command = [sys.executable, "-m", "tests.benchmarks.up", "up"]

    def __enter__(self) -> Stack:
        self.start()
        eventually(
            lambda: self.redis().zcard(keyspace.workers("runs")) == WORKERS, within_s=30, what="the second worker"
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        ours = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        with suppress(Exception):
            self.stop()
        for process in ours:
            with suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def everything(self) -> list[psutil.Process]:
        """Return all processes, the supervisor included."""
        return [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]

    def web(self) -> psutil.Process:
        return self.processes("uvicorn config.asgi")[0]

    def pause_workers(self) -> None:
        self.signal(signal.SIGSTOP)

    def memory(self) -> Counter[str]:
        """Return the memory of each kind of process, bytes of PSS: what processes share counts once."""
        used: Counter[str] = Counter()
        for process in self.everything():
            with suppress(psutil.Error):
                used[_name(process)] += process.memory_full_info().pss
        return used

    def cpu_s(self) -> Counter[str]:
        """Return the processor time that each kind of process has used so far, seconds."""
        used: Counter[str] = Counter()
        for process in self.everything():
            with suppress(psutil.Error):
                times = process.cpu_times()
                used[_name(process)] += times.user + times.system
        return used


def in_parts(used: Counter[str], *, unit: float) -> str:
    """Return who used how much, the largest first."""
    return ", ".join(f"{name} {amount / unit:.3g}" for name, amount in used.most_common())


def _name(process: psutil.Process) -> str:
    line = " ".join(process.cmdline())
    parts = {
        "uvicorn": "web",
        "-Q runs": "runs",
        "-Q batch": "batch",
        "-Q upkeep": "upkeep",
        " beat": "beat",
        "forkserver": "fork server",
        "tools.host": "host tools",
    }
    parts |= {"valkey": "valkey", "redis-server": "valkey"}
    return next((name for part, name in parts.items() if part in line), "up")
