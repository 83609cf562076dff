"""Beat's scheduler: django-celery-beat's, which goes on when somebody sets the clock back."""

from __future__ import annotations

import time
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
