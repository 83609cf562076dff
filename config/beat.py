"""Beat: its schedule of maintenance jobs, and django-celery-beat's scheduler, fixed for clock changes and signals."""

from __future__ import annotations

import signal
import time
from datetime import timedelta
from itertools import groupby
from types import FrameType
from typing import Any

from celery import Celery
from django.conf import settings as django_settings
from django.db import connections
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from aiops import alive, database, dispatch
from aiops.apps import Job
from aiops.maintenance.catalogue import catalogue
from aiops.settings import Settings
from config import sqlite

SETTINGS = django_settings.SETTINGS
FILE = sqlite.file_of(SETTINGS.database_url.get_secret_value(), SETTINGS.home)
"""The database's file; None on a server."""
LOOK_S = 2.0
KIND = "beat"
"""Of the sign of life."""
PAUSE_S = 0.25
"""Celery wakes up a little before an entry is due, and then again and again until it is."""


def entries(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return beat's entries: one per interval, since each costs a row, a message and a wake-up at every tick.

    Jobs that wait for other systems have entries, and so tasks, of their own.
    """
    jobs = sorted(catalogue(settings), key=_interval)  # stable: the reaper stays first of its interval
    return {
        f"every {every_s:g} s" + (", outbound" if outbound else ""): {
            "task": dispatch.UPKEEP_TASK,
            "schedule": timedelta(seconds=every_s),
            "args": [job.name for job in group],
            "kwargs": {"every_s": every_s},
            "options": {"queue": dispatch.UPKEEP_QUEUE, "expires": max(every_s, 10)},
        }
        for (every_s, outbound), group in groupby(jobs, key=_interval)
    }


def _interval(job: Job) -> tuple[float, bool]:
    return job.every_s or 0, job.outbound


class Entry(ModelEntry):  # type: ignore[misc]
    """After the clock was set back, an entry is due after its interval, although its last run lies in the future."""

    def is_due(self) -> Any:
        now = self._default_now()
        if self.last_run_at > now:  # type: ignore[has-type]
            self.last_run_at = now
        return super().is_due()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    Entry = Entry
    _ticked_at = 0.0
    """Wall-clock time of the last tick, Unix seconds."""
    _looked_at = float("-inf")
    _database: tuple[int, int] | None = None
    """Which file the open connection belongs to; opening one at every tick costs as much as the tick."""

    def __init__(self, app: Celery, **options: Any) -> None:
        self._sign = alive.Sign(KIND, SETTINGS.home)
        app.conf.beat_schedule = entries(SETTINGS)  # not earlier: it needs Django's apps
        if not options.get("lazy"):
            database.refuse_unfinished_move()
            _end_on_signals()
            if FILE is not None:  # a server has a pool
                connections["default"].settings_dict["CONN_MAX_AGE"] = None
        super().__init__(app, **options)

    def enabled_models(self) -> list[Any]:
        """Return our own entries only: write access to the table must not allow running any task."""
        ours = set(self.app.conf.beat_schedule)
        return [row for row in super().enabled_models() if row.name in ours and row.task == dispatch.UPKEEP_TASK]

    def schedule_changed(self) -> bool:
        """Return whether somebody changed the table, at most every LOOK_S: each entry that is due asks."""
        now = time.monotonic()
        if now < self._looked_at + LOOK_S:
            return False
        self._looked_at = now
        return bool(super().schedule_changed())

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send due entries; after the clock was set back, rebuild the heap."""
        self._sign.show()
        now = time.time()
        if now < self._ticked_at:
            self._heap = None
        self._ticked_at = now
        if sqlite.identity(FILE) != self._database:  # an open connection would continue with a file that was moved away
            connections.close_all()
        try:
            pause_s = super().tick(*args, **kwargs)
            return pause_s and max(pause_s, PAUSE_S)
        finally:
            self._database = sqlite.identity(FILE)

    def close(self) -> None:
        """Save the state, and remove the sign of life."""
        super().close()
        self._sign.end()


def _end_on_signals() -> None:
    """Let SIGTERM and SIGINT end beat, which then saves its state.

    Celery's own handler (5.7) saves inside the signal handler, in the middle of any statement; if that fails, the
    scheduler logs it as the failure of an entry and runs on.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        if getattr(signal.getsignal(number), "__module__", "") == "celery.apps.beat":
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit
