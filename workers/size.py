"""Limits the memory of a worker process: above it, the process drains and ends, and its supervisor starts another."""

from __future__ import annotations

import os
import signal
import threading

import psutil

from aiops import log
from aiops.settings import Settings

MB = 1_000_000

logger = log.get(__name__)


def watch(settings: Settings, draining: threading.Event) -> None:
    """Check this process's resident memory at every heartbeat until it drains; 0 means no limit."""
    if settings.worker_memory_mb:
        threading.Thread(target=_check, args=(settings, draining), name="size", daemon=True).start()


def _check(settings: Settings, draining: threading.Event) -> None:
    ours = psutil.Process()
    while not draining.wait(settings.heartbeat_s):
        held_mb = ours.memory_info().rss / MB
        if held_mb > settings.worker_memory_mb:
            logger.warning("worker.too_large", mb=round(held_mb), limit_mb=settings.worker_memory_mb)
            os.kill(os.getpid(), signal.SIGTERM)  # as an operator would: Celery stops warmly, runs drain
            return
