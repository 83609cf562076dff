"""Handlers of Celery's signals: a worker that answers runs makes its ``Process``, and drains it when asked to stop."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_init, worker_shutdown, worker_shutting_down
from django.conf import settings as django_settings

from aiops import dispatch, log
from workers import alive
from workers.process import Process

logger = log.get(__name__)
_process: list[Process] = []
"""Empty until the worker starts, and in workers that answer no runs."""


def present() -> Process:
    """Return this process's ``Process``."""
    return _process[0]


@worker_init.connect(weak=False)
def start(sender: Any, **_: Any) -> None:
    """Make the process ready to answer runs before its first task."""
    ours = {queue.name for queue in sender.app.amqp.queues.consume_from.values()}.intersection(dispatch.RUN_QUEUES)
    if not ours:
        return
    try:
        _process[:] = [Process(django_settings.SETTINGS, queue=ours.pop())]
        present().start()
        alive.watch.add(present().loop.lag_s)
    except Exception as error:  # Celery would only log it, and then take runs that this process cannot answer
        logger.exception("worker.cannot_start")
        raise SystemExit(f"The worker cannot start: {error}") from error


@worker_shutting_down.connect(weak=False)
def drain(**_: Any) -> None:
    """Start to drain: Celery waits for its tasks, and draining ends them in time."""
    for process in _process:
        process.drain()


@worker_shutdown.connect(weak=False)
def stop(**_: Any) -> None:
    """Close what the process holds."""
    for process in _process:
        process.stop()
