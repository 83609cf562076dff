"""Ends approvals that nobody has decided about in time: the calls are not made, and their runs go on."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from aiops import log
from aiops.approvals.announcing import announce
from aiops.approvals.deciding import about, settle
from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import ApprovalState, ItemState
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.recording import Entry, record_all
from aiops.locks import lock
from aiops.runs.models import Run
from aiops.settings import Settings

MOST_AT_ONCE = 500

logger = log.get(__name__)


def expire(settings: Settings) -> dict[str, int]:
    """Expire what is due; return counts. It alone writes ``expired``: until it does, a decision still counts."""
    due = Approval.objects.filter(state=ApprovalState.PENDING, expires_at__lt=Now()).order_by("expires_at")
    count = 0
    for pk, run_id in list(due.values_list("pk", "run_id")[:MOST_AT_ONCE]):
        approval = _expire(pk, run_id)
        if approval is not None:
            count += 1
            logger.info("approval.expired", approval=str(pk), run=str(run_id))
            announce(approval, ttl_s=settings.stream_ttl_s)
    return {"expired": count}


def _expire(approval_id: Any, run_id: Any) -> Approval | None:
    with transaction.atomic():
        lock(Run.objects.filter(pk=run_id))  # before the approval, as ``aiops.locks`` demands
        pending = Approval.objects.select_for_update(no_key=True)
        approval = pending.filter(pk=approval_id, state=ApprovalState.PENDING, expires_at__lt=Now()).first()
        if approval is None:  # somebody decided, or stopped the run
            return None
        waiting = ApprovalItem.objects.filter(approval=approval, state=ItemState.PENDING)
        items = list(waiting.select_related("approval"))
        waiting.update(state=ItemState.EXPIRED, decided_at=Now())
        settle(approval, ApprovalState.EXPIRED)
        name = f"approval:{approval.pk}"
        record_all([Entry(Action.APPROVAL_EXPIRED, SYSTEM, name, None, about(item)) for item in items])
    return approval
