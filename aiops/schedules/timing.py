"""When a schedule is due: intervals, cron expressions in a time zone, and single times.

Cron follows Debian's cron, also when clocks change (cronsim): a fixed hour that is skipped comes right after the
change, one that comes twice is used once; ``*`` in the hour goes by elapsed time.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

MIN_INTERVAL_S = 60


class BadTime(ValueError):
    """This tells no time; the message says why."""


@dataclass(frozen=True, slots=True)
class Times:
    """Times of one schedule: ``every_s`` counted from ``since``, or ``cron`` in ``timezone``, or ``at``."""

    since: datetime
    every_s: int | None = None
    cron: str = ""
    timezone: str = "UTC"
    at: datetime | None = None
    ends_at: datetime | None = None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield every time later than ``moment``, in order, in UTC; raises BadTime."""
        for time in self._all(moment):
            if self.ends_at is not None and time > self.ends_at:
                return
            yield time

    def next(self, moment: datetime) -> datetime | None:
        """Return the first time after ``moment``, or None."""
        return next(self.after(moment), None)

    def some(self, moment: datetime, *, count: int) -> list[datetime]:
        """Return the next times."""
        return list(islice(self.after(moment), count))

    def _all(self, moment: datetime) -> Iterator[datetime]:
        if self.at is not None:
            if self.at > moment:
                yield self.at
        elif self.every_s is not None:
            step = timedelta(seconds=self.every_s)
            time = self.since + step * max((moment - self.since) // step + 1, 1)
            while True:
                yield time
                time += step
        else:
            for time in parsed(self.cron, moment.astimezone(zone(self.timezone))):
                yield time.astimezone(UTC)


def zone(name: str) -> ZoneInfo:
    """Return a time zone of the IANA database; raises BadTime."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the database, such as Europe
        raise BadTime(f"There is no time zone {name[:64]!r}: use a name such as Europe/Berlin.") from None


def parsed(cron: str, moment: datetime) -> CronSim:
    """Return the times of a cron expression of five fields after ``moment``; raises BadTime."""
    if len(cron.split()) != 5:
        raise BadTime("A cron expression has five fields: minute, hour, day of month, month, day of week.")
    try:
        times = CronSim(cron.upper(), moment)
    except CronSimError as error:
        raise BadTime(f"Not a cron expression: {error}.") from error
    if next(iter(CronSim(cron.upper(), moment)), None) is None:
        raise BadTime("This cron expression names no day that ever comes.")
    return times


def with_jitter(due: datetime | None, *, jitter_s: int) -> datetime | None:
    """Return the time with a random share of the jitter."""
    if due is None:
        return None
    return due + timedelta(seconds=random.uniform(0, jitter_s))  # noqa: S311  (spreads load, hides nothing)
