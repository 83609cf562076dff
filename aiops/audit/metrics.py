"""Metrics of the audit log."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from aiops import database
from aiops.audit import checkpoints
from aiops.audit.models import AuditRow


def families() -> Iterator[Metric]:
    """Yield the number of the newest row, and how long ago the last one was verified and signed."""
    last = AuditRow.objects.order_by("-sequence").values_list("sequence", flat=True).first()
    yield GaugeMetricFamily("aiops_audit_sequence", "Number of the newest row of the audit log.", value=last or 0)
    signed = checkpoints.newest()
    age_s = max((database.now() - signed.at).total_seconds(), 0) if signed else math.inf
    waiting = (last or 0) - (signed.sequence if signed else 0)
    yield GaugeMetricFamily("aiops_audit_unverified_rows", "Rows behind the newest signed one.", value=max(waiting, 0))
    yield GaugeMetricFamily("aiops_audit_signed_age_seconds", "Time since a row was signed; +Inf before.", value=age_s)
