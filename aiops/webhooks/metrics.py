"""Metrics of webhooks."""

from __future__ import annotations

from collections.abc import Iterator

from aiops import metrics
from aiops.settings import Settings
from aiops.webhooks import claims


def known(settings: Settings) -> Iterator[metrics.Series]:
    """Yield the series of each outcome of an attempt."""
    for outcome in claims.OUTCOMES:
        yield metrics.WEBHOOKS, (outcome,)
