"""``aiops up`` as it is, save that its workers answer with the echo model."""

from __future__ import annotations

from config.cli import run
from config.local import processes

if __name__ == "__main__":
    processes.CELERY = (processes.PYTHON, "-m", "tests.benchmarks.worker", *processes.CELERY[3:])
    run()
