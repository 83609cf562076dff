"""Metrics of tool servers."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import metrics
from aiops.settings import Settings
from aiops.tool_servers.models import MCPServer


def known(settings: Settings) -> Iterator[metrics.Series]:
    """Yield the series of each server's calls."""
    for server in MCPServer.objects.values_list("name", flat=True):
        for status in metrics.CALL_STATUSES:
            yield metrics.TOOL_CALLS, (server, status)


def families() -> Iterator[Metric]:
    """Yield servers by status, and how many required ones are not healthy."""
    servers = GaugeMetricFamily("aiops_tool_servers", "Tool servers by status.", labels=["status"])
    counts = dict(MCPServer.objects.order_by().values_list("status").annotate(n=Count("pk")))
    for status in MCPServer.Status:
        servers.add_metric([status], counts.get(status, 0))
    yield servers
    yield GaugeMetricFamily(
        "aiops_tool_servers_required_missing",
        "Required tool servers that are not healthy: without them nothing is answered.",
        value=MCPServer.objects.filter(required=True).exclude(status=MCPServer.Status.HEALTHY).count(),
    )
