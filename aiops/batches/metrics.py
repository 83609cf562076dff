"""Metrics of unfinished batches."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily, Metric

from aiops.batches.models import Batch


def families() -> Iterator[Metric]:
    """Yield the number of unfinished batches by state."""
    batches = GaugeMetricFamily("aiops_batches", "Unfinished batches.", labels=["state"])
    unfinished = Batch.objects.filter(state__in=Batch.UNFINISHED)
    for state, count in unfinished.values_list("state").annotate(n=Count("pk")):
        batches.add_metric([state], count)
    yield batches
