"""Ends a worker process that cannot stop by itself after SIGTERM.

Celery 5.7 retries the publishing of its own events without limit while the broker is down, in the thread that would
stop the worker.
"""

from __future__ import annotations

import os
import threading
import time

from celery.signals import worker_shutting_down
from celery.worker import state
from django.conf import settings as django_settings

from aiops import log

PATIENCE_S = 5.0
"""Time after the drain that an orderly stop gets; it takes about one second."""
CHECK_S = 0.5

logger = log.get(__name__)


@worker_shutting_down.connect(weak=False)
def limit_stop(**_: object) -> None:
    threading.Thread(target=_end_when_idle, name="ending", daemon=True).start()


def _end_when_idle() -> None:
    """Exit once no task is running: a task that is running, such as a validation, may still finish."""
    time.sleep(django_settings.SETTINGS.drain_s + PATIENCE_S)
    while state.active_requests:
        time.sleep(CHECK_S)
    logger.error("worker.cannot_stop")
    os._exit(1)
