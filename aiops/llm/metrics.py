"""Metrics of providers."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aiops.llm.models import ProviderHealth


def families() -> Iterator[Metric]:
    """Yield whether each provider can be reached; the label is bounded, because operators configure providers."""
    reachable = GaugeMetricFamily("aiops_provider_reachable", "Whether a provider answers.", labels=["provider"])
    for row in ProviderHealth.objects.all():
        reachable.add_metric([row.provider], row.reachable)
    yield reachable
