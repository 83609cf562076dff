"""``aiops up`` as it is, save that its run workers answer with the echo model."""

from __future__ import annotations

from config import processes
from config.cli import run

_usual = processes.worker_runs


def worker_runs(number: int, *, concurrency: int) -> list[str]:
    options = _usual(number, concurrency=concurrency)[len(processes.CELERY) :]
    return [processes.PYTHON, "-m", "tests.benchmarks.worker", *processes.CELERY[3:], *options]


if __name__ == "__main__":
    processes.worker_runs = worker_runs
    run()
