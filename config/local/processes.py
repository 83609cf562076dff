"""The commands of all processes; the Procfile holds the same."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

PYTHON = sys.executable
CELERY = (PYTHON, "-m", "celery", "-A", "config")
MOST_WEB_PROCESSES = 4
BATCH_NICE = 10
"""Nice level of batch workers that share a machine with interactive runs."""


def web(host: str, port: int) -> list[str]:
    """Return the command of a web process that opens its own socket."""
    where = ["config.asgi:application", "--http", "config.asgi:Connection", "--host", host, "--port", str(port)]
    options = ["--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "3", "--log-level", "warning"]
    return [PYTHON, "-m", "uvicorn", *where, *options]


def web_on(listeners: Sequence[int]) -> list[str]:
    """Return the command of a web process that shares these listening sockets, given as file descriptors."""
    return [PYTHON, "-m", "config.local.uvicorn_server", *map(str, listeners)]


def web_names(count: int) -> list[str]:
    """Return the names of so many web processes; 0: one per core, but few, because workers need the cores too."""
    count = count or min(os.cpu_count() or 1, MOST_WEB_PROCESSES)
    return [f"web-{number}" for number in range(1, count + 1)] if count > 1 else ["web"]


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
