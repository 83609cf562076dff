"""Celery's signals: a worker that answers runs gets a loop; a stopping one drains."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from aiops import dispatch, log
from workers import process

logger = log.get(__name__)


@worker_init.connect(weak=False)
def start(sender: Any, **_: Any) -> None:
    """Make the process ready to answer runs before its first task."""
    queues = {queue.name for queue in sender.app.amqp.queues.consume_from.values()}
    ours = queues.intersection(dispatch.RUN_QUEUES)
    if not ours:
        return
    try:
        process.start(ours.pop())
    except Exception as error:  # Celery would only log it and then take runs that nobody can answer
        logger.exception("worker.cannot_start")
        raise SystemExit(f"The worker cannot start: {error}") from error


@worker_shutting_down.connect(weak=False)
def drain(**_: Any) -> None:
    """Begin to drain: Celery waits for the tasks, and this ends them in time."""
    if process.exists():
        process.present().drain()


@worker_shutdown.connect(weak=False)
def stop(**_: Any) -> None:
    """Close what the process holds."""
    if process.exists():
        process.present().stop()
