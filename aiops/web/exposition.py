"""The metrics page: counters of all processes, and the present state of rows, queues and Redis, as Prometheus text."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.metadata import version

import redis
from django.db import DatabaseError, InterfaceError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from aiops import dispatch, keyspace, metrics, settings
from aiops.apps import features, load
from aiops.errors import Unavailable


class Everything(Collector):
    """Collects all metrics at each scrape; a part that is down shows as ``aiops_up`` 0 and hides no other."""

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("aiops_up", "Whether a part answers.", labels=["part"])
        parts = {"redis": _of_redis, "database": _of_features, "broker": _of_queues}
        for name, read in parts.items():
            try:
                yield from list(read())
                up.add_metric([name], 1)
            except (redis.RedisError, OSError, DatabaseError, InterfaceError, Unavailable):
                up.add_metric([name], 0)
        yield up
        build = GaugeMetricFamily("aiops_build_info", "Version of the web process.", labels=["version"])
        build.add_metric([version("aiops")], 1)
        yield build


def text() -> bytes:
    """Return the page."""
    registry = CollectorRegistry()
    registry.register(Everything())
    return generate_latest(registry)


def _of_redis() -> Iterator[Metric]:
    counted = {**_known(), **metrics.read()}
    for metric in metrics.ALL:
        rows = {labels: parts for (name, labels), parts in counted.items() if name == metric.name}
        yield _histogram(metric, rows) if metric.measured else _counter(metric, rows)
    present = metrics.gauges()
    for name, help_ in metrics.GAUGES.items():
        yield GaugeMetricFamily(f"aiops_{name}", help_, value=present[name])
    workers = GaugeMetricFamily("aiops_workers", "Worker processes with a recent heartbeat.", labels=["queue"])
    for queue in dispatch.RUN_QUEUES:
        workers.add_metric([queue], keyspace.live_workers(queue))
    yield workers


def _known() -> metrics.Totals:
    """Return the series that exist before their first event, without any part: each is zero."""
    known: list[metrics.Series] = [(metric, ()) for metric in metrics.ALL if not metric.labels]
    for feature in features():
        if feature.known_series:
            with contextlib.suppress(DatabaseError, InterfaceError):  # aiops_up says so
                known += load(feature.known_series)(settings.current())
    return {metrics.key(metric, labels): {} for metric, labels in known}


def _counter(metric: metrics.Metric, rows: dict[tuple[str, ...], dict[str, float]]) -> Metric:
    family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
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


def _of_features() -> Iterator[Metric]:
    for feature in features():
        if feature.metrics:
            yield from load(feature.metrics)()
