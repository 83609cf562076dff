"""The commands of all processes; the Procfile holds the same."""

from __future__ import annotations

import sys

PYTHON = sys.executable
CELERY = (PYTHON, "-m", "celery", "-A", "config")
BATCH_NICE = 10
"""Nice level of batch workers that share a machine with interactive runs."""


def web(host: str, port: int) -> list[str]:
    """Return the command of the web process."""
    where = ["config.asgi:application", "--http", "config.asgi:Connection", "--host", host, "--port", str(port)]
    options = ["--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "3", "--log-level", "warning"]
    return [PYTHON, "-m", "uvicorn", *where, *options]


def worker_runs(number: int, *, concurrency: int) -> list[str]:
    """Return the command of worker ``number`` of the runs queue."""
    return _worker("runs", name=f"runs-{number}", concurrency=concurrency)


def worker_batch(*, concurrency: int) -> list[str]:
    """Return the command of the batch worker; run it with ``BATCH_NICE`` on a shared machine."""
    return _worker("batch", name="batch", concurrency=concurrency)


def worker_upkeep() -> list[str]:
    """Return the command of the maintenance worker."""
    return _worker("upkeep", name="upkeep", concurrency=4)


def _worker(queue: str, *, name: str, concurrency: int) -> list[str]:
    of_queue = ["-Q", queue, "-I", f"workers.{queue}", "-c", str(concurrency), "-n", f"{name}@%h"]
    return [*CELERY, "worker", "-P", "threads", *of_queue, "--without-gossip", "--without-mingle"]


def beat() -> list[str]:
    """Return the command of beat; exactly one must run."""
    return [*CELERY, "beat", "--pidfile="]


def flower(port: int, *, host: str = "127.0.0.1") -> list[str]:
    """Return the command of Flower; its user and password come from FLOWER_BASIC_AUTH."""
    return [*CELERY, "flower", f"--address={host}", f"--port={port}", "--read_only=true"]
