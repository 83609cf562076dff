"""Metrics of runs: of unfinished ones, read from rows at each scrape, and the series of those that ended."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import database, dispatch, metrics
from aiops.errors import RUN_CODES
from aiops.runs import recovery, states
from aiops.runs.models import Run
from aiops.runs.notices import TOOL_FAILED
from aiops.runs.states import State
from aiops.settings import Settings

CODES = {State.FAILED: RUN_CODES, State.SUCCEEDED: ("", TOOL_FAILED)}
"""The codes with which runs end in a state."""
OF_QUEUE = (metrics.RUN_SECONDS, metrics.FIRST_DELTA_SECONDS, metrics.WAITED_SECONDS, metrics.ATTEMPTS)


def known(settings: Settings) -> Iterator[metrics.Series]:
    """Yield the series of each queue, and of each way in which a run can end."""
    ended = [state for state in states.ENDED if state != State.EXPIRED]  # no worker ends a run as expired
    for queue in dispatch.RUN_QUEUES:
        yield from ((metric, (queue,)) for metric in OF_QUEUE)
        for state in ended:
            for code in CODES.get(state, ("",)):
                yield metrics.RUNS_ENDED, (queue, state, code)
    yield from ((metrics.TAKEN_BACK, (state,)) for state in recovery.NEXT_STATES)


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
