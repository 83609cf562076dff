"""Metrics of providers."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import metrics
from aiops.llm import snapshot
from aiops.llm.models import ProviderHealth
from aiops.settings import Settings

MOST = 100
"""Models whose series are there before their first event; a table may have thousands that nobody uses."""


def known(settings: Settings) -> Iterator[metrics.Series]:
    """Yield the series of the configured models."""
    for model in snapshot.current(settings).specs[:MOST]:
        yield metrics.MODEL_REFUSALS, (model.label,)
        for direction in metrics.DIRECTIONS:
            yield metrics.TOKENS, (model.label, direction)


def families() -> Iterator[Metric]:
    """Yield whether each provider can be reached; the label is bounded, because operators configure providers."""
    reachable = GaugeMetricFamily("aiops_provider_reachable", "Whether a provider answers.", labels=["provider"])
    for row in ProviderHealth.objects.all():
        reachable.add_metric([row.provider], row.reachable)
    yield reachable
