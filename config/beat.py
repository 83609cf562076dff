"""Beat's scheduler: django-celery-beat's, which outlives a clock that is set back, and ends when it is told to."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Any

from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from aiops import dispatch


class Entry(ModelEntry):  # type: ignore[misc]
    """An entry that was last due in the future is due again after its interval, not when that time has passed."""

    def is_due(self) -> Any:
        """Return Celery's (is due, seconds until the next look)."""
        now = self._default_now()
        if self.last_run_at > now:  # type: ignore[has-type]
            self.last_run_at = now
        return super().is_due()


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """The scheduler that ``config.celery`` names."""

    Entry = Entry
    _ticked_at = 0.0
    """Time of day of the last tick, Unix seconds."""

    def __init__(self, *args: Any, **options: Any) -> None:
        if not options.get("lazy"):
            _end_when_told()
        super().__init__(*args, **options)

    def enabled_models(self) -> list[Any]:
        """Return our own entries alone: whoever can write the table must not be able to have any task run."""
        ours = set(self.app.conf.beat_schedule)
        return [row for row in super().enabled_models() if row.name in ours and row.task == dispatch.UPKEEP_TASK]

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due; after the clock was set back, plan everything anew."""
        now = time.time()
        if now < self._ticked_at:
            self._heap = None
        self._ticked_at = now
        return super().tick(*args, **kwargs)


def _end_when_told() -> None:
    """Let SIGTERM and SIGINT end beat, which then saves what it knows.

    Celery's own handler (5.7) saves first, in the middle of whatever statement is under way; when that fails, the
    scheduler takes it for the failure of an entry, logs it and goes on for ever.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        if getattr(signal.getsignal(number), "__module__", "") == "celery.apps.beat":
            signal.signal(number, _end)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit
