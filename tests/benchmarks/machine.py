"""Names the machine and the versions of what ran on it."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil

from config.local import valkey
from tests.benchmarks import database

CORES = 2
PACKAGES = ("celery", "kombu", "redis", "django", "langchain", "langgraph", "mcp", "uvicorn")


def take_two_cores() -> None:
    """Keep this process and all it starts on two cores, as the targets say."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def describe() -> dict[str, str]:
    cpu = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    server = subprocess.run([valkey.find(), "--version"], capture_output=True, text=True).stdout
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "cpu": cpu.partition(":")[2].strip() or platform.processor(),
        "cores": f"{len(os.sched_getaffinity(0))} of {os.cpu_count()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "os": f"{system}, Linux {platform.release()}",
        "python": platform.python_version(),
        "postgresql": database.version(),
        "valkey": " ".join(server.split()[:3]),
        "load": f"{os.getloadavg()[0]:.2f} before the first row",
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
    }
