"""How well each tool server was in the last two days, hour by hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F

from aiops import database
from aiops.tool_servers.models import HealthHour

HOURS = 48
KEPT = timedelta(days=31)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bar:
    """One hour: ``state`` is well, partly, failed, or none when nothing was checked."""

    at: int
    begins: datetime
    checks: int
    failed: int

    @property
    def state(self) -> str:
        if not self.checks:
            return "none"
        return "well" if not self.failed else "failed" if self.failed == self.checks else "partly"


@dataclass(frozen=True, slots=True)
class Strip:
    """The last hours of one server, the oldest first."""

    bars: Sequence[Bar]

    @property
    def share(self) -> float | None:
        """The share of checks that found it well, from 0 to 1; None when there were none."""
        checks = sum(bar.checks for bar in self.bars)
        return 1 - sum(bar.failed for bar in self.bars) / checks if checks else None

    @property
    def words(self) -> str:
        """What the strip says."""
        if self.share is None:
            return f"not checked in the last {HOURS} hours"
        return f"well in {100 * self.share:.3g} % of the checks of the last {HOURS} hours"


def count(server_id: UUID, *, failed: bool) -> None:
    """Count one health check of a server."""
    hour = _hour_of(database.now())
    HealthHour.objects.bulk_create([HealthHour(server_id=server_id, hour=hour)], ignore_conflicts=True)
    mine = HealthHour.objects.filter(server=server_id, hour=hour)
    mine.update(checks=F("checks") + 1, failed=F("failed") + int(failed))


def forget_old() -> None:
    """Remove what no page shows any more."""
    HealthHour.objects.filter(hour__lt=database.now() - KEPT).delete()


def strips(server_ids: Sequence[UUID]) -> dict[UUID, Strip]:
    """Return the strip of each server."""
    last = _hour_of(database.now())
    hours = [last - HOUR * back for back in reversed(range(HOURS))]
    rows = HealthHour.objects.filter(server__in=server_ids, hour__gte=hours[0])
    counts = {(server, hour): (checks, failed) for server, hour, checks, failed in rows.values_list(*COLUMNS)}
    return {
        server: Strip([Bar(at, hour, *counts.get((server, hour), (0, 0))) for at, hour in enumerate(hours)])
        for server in server_ids
    }


COLUMNS = ("server", "hour", "checks", "failed")


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
