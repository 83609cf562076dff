"""Metrics of approvals, read from rows at each scrape: how many wait, and for how long."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import database
from aiops.approvals.models import Approval
from aiops.approvals.values import ApprovalState


def families() -> Iterator[Metric]:
    """Yield how many approvals are pending, and how long the oldest waits."""
    pending = Approval.objects.filter(state=ApprovalState.PENDING)
    found = pending.aggregate(count=Count("pk"), oldest=Min("created_at"))
    yield GaugeMetricFamily("aiops_approvals_pending", "Approvals that wait for a person.", value=found["count"])
    age_s = max((database.now() - found["oldest"]).total_seconds(), 0) if found["oldest"] else 0
    yield GaugeMetricFamily(
        "aiops_approvals_oldest_seconds", "How long the oldest pending approval waits.", value=age_s
    )
