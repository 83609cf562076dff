"""Metrics of unfinished runs, read from rows at each scrape."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import database, dispatch
from aiops.runs import states
from aiops.runs.models import Run
from aiops.runs.states import State


def families() -> Iterator[Metric]:
    """Yield how many runs are unfinished, and how long the oldest queued one waits."""
    unfinished = Run.objects.filter(state__in=states.UNFINISHED).values("queue", "state")
    counts = {(row["queue"], row["state"]): row["n"] for row in unfinished.annotate(n=Count("pk"))}
    runs = GaugeMetricFamily("aiops_runs", "Unfinished runs.", labels=["queue", "state"])
    for queue in dispatch.RUN_QUEUES:
        for state in states.UNFINISHED:
            runs.add_metric([queue, state], counts.get((queue, state), 0))
    yield runs
    age = GaugeMetricFamily("aiops_queue_oldest_seconds", "How long the oldest queued run waits.", labels=["queue"])
    now = database.now()
    queued = Run.objects.filter(state=State.QUEUED).values("queue").annotate(oldest=Min("queued_at"))
    oldest = {row["queue"]: row["oldest"] for row in queued}
    for queue in dispatch.RUN_QUEUES:
        age.add_metric([queue], max((now - oldest[queue]).total_seconds(), 0) if queue in oldest else 0)
    yield age
