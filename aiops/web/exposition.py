"""What monitoring reads: counters of all processes, and what rows, queues and Redis say now, as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version

import redis
from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aiops import database, dispatch, keyspace, metrics, settings
from aiops.batches.models import Batch
from aiops.conversations.models import Run
from aiops.errors import Unavailable
from aiops.jobs.catalogue import names
from aiops.jobs.models import JobRun
from aiops.registry.models import MCPServer, ProviderHealth


class Everything(Collector):
    """Collects anew at each scrape; a part that is down is told as ``aiops_up`` 0, and the rest goes on."""

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        up = GaugeMetricFamily("aiops_up", "Whether a part answers.", labels=["part"])
        parts = {"redis": _of_redis, "database": _of_rows, "broker": _of_queues}
        for name, read in parts.items():
            try:
                yield from list(read())
                up.add_metric([name], 1)
            except (redis.RedisError, OSError, DatabaseError, InterfaceError, Unavailable):
                up.add_metric([name], 0)
        yield up
        build = GaugeMetricFamily("aiops_build_info", "Version of what answers.", labels=["version"])
        build.add_metric([version("aiops")], 1)
        yield build


def text() -> bytes:
    """Return the whole page."""
    registry = CollectorRegistry()
    registry.register(Everything())
    return generate_latest(registry)


def _of_redis() -> Iterator[Metric]:
    counted = metrics.read()
    for metric in metrics.ALL:
        rows = {labels: parts for (name, labels), parts in counted.items() if name == metric.name}
        yield _histogram(metric, rows) if metric.measured else _counter(metric, rows)
    present = metrics.gauges()
    for name, help_ in metrics.GAUGES.items():
        yield GaugeMetricFamily(f"aiops_{name}", help_, value=present[name])
    workers = GaugeMetricFamily("aiops_workers", "Worker processes that showed themselves lately.", labels=["queue"])
    for queue in dispatch.RUN_QUEUES:
        workers.add_metric([queue], keyspace.live_workers(queue))
    yield workers


def _counter(metric: metrics.Metric, rows: dict[tuple[str, ...], dict[str, float]]) -> Metric:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    if not metric.labels:
        rows = {(): {"total": 0}, **rows}
    for labels, parts in rows.items():
        family.add_metric(labels, parts.get("total", 0))
    return family


def _histogram(metric: metrics.Metric, rows: dict[tuple[str, ...], dict[str, float]]) -> Metric:
    family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, parts in rows.items():
        buckets, so_far = [], 0.0
        for bound in [*map(str, metrics.SECONDS), "+Inf"]:
            so_far += parts.get(bound, 0)
            buckets.append((bound, so_far))
        family.add_metric(labels, buckets, parts.get("sum", 0))
    return family


def _of_queues() -> Iterator[Metric]:
    depth = GaugeMetricFamily("aiops_queue_depth", "Messages that wait in the broker.", labels=["queue"])
    for queue in (*dispatch.QUEUES, dispatch.DEAD_QUEUE):
        depth.add_metric([queue], dispatch.depth(queue))
    yield depth


def _of_rows() -> Iterator[Metric]:
    unfinished = Run.objects.filter(state__in=Run.UNFINISHED).values("queue", "state")
    counts = {(row["queue"], row["state"]): row["n"] for row in unfinished.annotate(n=Count("pk"))}
    runs = GaugeMetricFamily("aiops_runs", "Unfinished runs.", labels=["queue", "state"])
    for queue in dispatch.RUN_QUEUES:
        for state in Run.UNFINISHED:
            runs.add_metric([queue, state], counts.get((queue, state), 0))
    yield runs
    age = GaugeMetricFamily("aiops_queue_oldest_seconds", "How long the oldest queued run waits.", labels=["queue"])
    now = database.now()
    queued = Run.objects.filter(state=Run.State.QUEUED).values("queue").annotate(oldest=Min("queued_at"))
    oldest = {row["queue"]: row["oldest"] for row in queued}
    for queue in dispatch.RUN_QUEUES:
        age.add_metric([queue], _since(oldest.get(queue), now))
    yield age
    batches = GaugeMetricFamily("aiops_batches", "Unfinished batches.", labels=["state"])
    of_state = Batch.objects.filter(state__in=Batch.UNFINISHED).values_list("state").annotate(n=Count("pk"))
    for state, count in of_state:
        batches.add_metric([state], count)
    yield batches
    yield from _of_jobs(now)
    yield from _of_health()


def _of_health() -> Iterator[Metric]:
    """Yield the health of tool servers and providers: operators make them, so their names are few."""
    servers = GaugeMetricFamily("aiops_tool_servers", "Tool servers by status.", labels=["status"])
    counts = dict(MCPServer.objects.order_by().values_list("status").annotate(n=Count("pk")))
    for status in MCPServer.Status:
        servers.add_metric([status], counts.get(status, 0))
    yield servers
    required = MCPServer.objects.filter(required=True).exclude(status=MCPServer.Status.HEALTHY).count()
    help_ = "Tool servers without which nothing is answered, and that do not serve."
    yield GaugeMetricFamily("aiops_tool_servers_required_missing", help_, value=required)
    reachable = GaugeMetricFamily("aiops_provider_reachable", "Whether a provider answers.", labels=["provider"])
    for row in ProviderHealth.objects.all():
        reachable.add_metric([row.provider], row.reachable)
    yield reachable


def _of_jobs(now: datetime) -> Iterator[Metric]:
    last = GaugeMetricFamily("aiops_job_age_seconds", "Since an upkeep job last began.", labels=["job"])
    failing = GaugeMetricFamily("aiops_job_failing", "1 when a job's last run failed.", labels=["job"])
    newest = {
        job: JobRun.objects.filter(job=job).exclude(outcome=JobRun.Outcome.RUNNING).order_by("-started_at").first()
        for job in names(settings.current())
    }
    for job, run in newest.items():
        if run is not None:
            last.add_metric([job], _since(run.started_at, now))
            failing.add_metric([job], run.outcome == JobRun.Outcome.FAILED)
    yield last
    yield failing


def _since(at: datetime | None, now: datetime) -> float:
    return max((now - at).total_seconds(), 0) if at is not None else 0
