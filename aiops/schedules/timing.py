"""Computes due times from intervals, cron expressions in a time zone, and single times.

Cron follows Debian's cron, also when clocks change (cronsim): a fixed hour that is skipped runs right after the change,
a fixed hour that is repeated runs once; ``*`` in the hour follows elapsed time.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

MIN_INTERVAL_S = 60
TIMES_CHECKED = 50
"""How many times ``shortest_gap`` compares."""
NOT_ZONES = {"Factory", "localtime"}
"""Entries of the IANA database that are not the time of a place."""
NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""Debian's short names (crontab(5)) except @reboot."""


class BadTime(ValueError):
    """An invalid time, zone or cron expression; the message says why."""


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
        """Yield every time later than ``moment``, in order, in UTC; raises BadTime.

        In an hour that clocks repeat, cronsim (2.7) returns a time of the first pass, which is over: it is skipped.
        """
        last = moment
        for time in self._all(moment):
            if self.ends_at is not None and time > self.ends_at:
                return
            if time > last:
                last = time
                yield time

    def next(self, moment: datetime) -> datetime | None:
        """Return the first time after ``moment``, or None."""
        return next(self.after(moment), None)

    def some(self, moment: datetime, *, count: int) -> list[datetime]:
        return list(islice(self.after(moment), count))

    def shortest_gap(self, moment: datetime) -> timedelta | None:
        """Return the shortest interval between two of the next times; None when there is only one."""
        return min((b - a for a, b in pairwise(self.some(moment, count=TIMES_CHECKED))), default=None)

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
    """Return a time zone of the IANA database; raises BadTime.

    Only listed names are accepted, because ZoneInfo also opens other files, and those below ``right/`` count leap
    seconds.
    """
    if name not in _zones():
        raise BadTime(f"There is no time zone {name[:64]!r}: use a name such as Europe/Berlin.")
    return ZoneInfo(name)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_ZONES)


def parsed(cron: str, moment: datetime) -> CronSim:
    """Return the times of a cron expression of five fields, or of a short name, after ``moment``; raises BadTime."""
    expression = _five_fields(cron)
    try:
        times = CronSim(expression, moment)
    except CronSimError as error:
        raise BadTime(f"Not a cron expression: {error}.") from error
    # a second iterator, because looking for the first time would consume it (31 February never comes)
    if next(iter(CronSim(expression, moment)), None) is None:
        raise BadTime("This cron expression names a day that never comes.")
    return times


def in_words(cron: str) -> str:
    """Return a cron expression in English, such as "at 07:00 on Monday through Friday"; itself when it is invalid."""
    try:
        text: str = CronSim(_five_fields(cron), datetime.now(UTC)).explain()
    except (CronSimError, BadTime):  # such as one of an older version
        return cron
    return text[:1].lower() + text[1:]


def _five_fields(cron: str) -> str:
    """Return the expression in the form that cronsim reads; raises BadTime."""
    text = cron.strip()
    if text.startswith("@"):
        if text.lower() not in NAMED:
            raise BadTime(f"There is no {text[:20]}: use {', '.join(NAMED)}, or five fields.")
        return NAMED[text.lower()]
    count = len(text.split())
    if count == 5:
        return text.upper()
    rule = "A cron expression has five fields (minute, hour, day of month, month, day of week) and no command"
    raise BadTime(f"{rule}; this one has {count}.")


def with_jitter(due: datetime | None, *, jitter_s: int) -> datetime | None:
    """Return a due time plus a random share of the jitter."""
    if due is None:
        return None
    return due + timedelta(seconds=random.uniform(0, jitter_s))  # noqa: S311  (spreads load, hides nothing)
