"""Cancellations that get lost: `asyncio.wait_for` of Python 3.11, by which redis sends, may swallow one."""

from __future__ import annotations

import asyncio


def raise_lost() -> None:
    """Raise CancelledError if the current task was cancelled and goes on; call it in loops that use Redis."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
