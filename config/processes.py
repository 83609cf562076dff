"""The processes of one machine as commands: what ``aiops up`` supervises; the Procfile says the same."""

from __future__ import annotations

import sys

PYTHON = sys.executable
CELERY = (PYTHON, "-m", "celery", "-A", "config")
QUIET = ("--without-gossip", "--without-mingle")


def web(host: str, port: int) -> list[str]:
    """Return the command of the web process."""
    where = ["config.asgi:application", "--http", "config.asgi:Connection", "--host", host, "--port", str(port)]
    options = ["--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "3", "--log-level", "warning"]
    return [PYTHON, "-m", "uvicorn", *where, *options]


def worker_runs(number: int, *, concurrency: int) -> list[str]:
    """Return the command of a worker of the runs queue."""
    return [
        *CELERY,
        "worker",
        "-P",
        "threads",
        "-Q",
        "runs",
        "-I",
        "workers.runs",
        "-c",
        str(concurrency),
        "-n",
        f"runs-{number}@%h",
        *QUIET,
    ]


def worker_upkeep() -> list[str]:
    """Return the command of the worker of the upkeep queue."""
    return [
        *CELERY,
        "worker",
        "-P",
        "threads",
        "-Q",
        "upkeep",
        "-I",
        "workers.upkeep",
        "-c",
        "4",
        "-n",
        "upkeep@%h",
        *QUIET,
    ]


def beat() -> list[str]:
    """Return the command of the clock; there must be exactly one."""
    return [*CELERY, "beat", "--pidfile="]


def flower(port: int) -> list[str]:
    """Return the command of Flower; its user and password come from FLOWER_BASIC_AUTH."""
    return [*CELERY, "flower", "--address=127.0.0.1", f"--port={port}", "--read_only=true"]
