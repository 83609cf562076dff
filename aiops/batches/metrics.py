"""Metrics of unfinished batches and of ended items."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import metrics
from aiops.batches.models import Batch
from aiops.runs import states
from aiops.settings import Settings


def known(settings: Settings) -> Iterator[metrics.Series]:
    """Yield the series of each state in which an item ends: it is the state of its run."""
    for state in states.ENDED:
        yield metrics.ITEMS_SETTLED, (state,)


def families() -> Iterator[Metric]:
    """Yield the number of unfinished batches by state."""
    batches = GaugeMetricFamily("aiops_batches", "Unfinished batches.", labels=["state"])
    unfinished = Batch.objects.filter(state__in=Batch.UNFINISHED)
    for state, count in unfinished.values_list("state").annotate(n=Count("pk")):
        batches.add_metric([state], count)
    yield batches
