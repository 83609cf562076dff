"""Ends approvals that nobody has decided about in time: the calls are not made, and their runs go on."""

from __future__ import annotations

from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models.functions import Now

from aiops import log
from aiops.approvals.announcing import announce
from aiops.approvals.deciding import about, settle
from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.people import deciders
from aiops.approvals.permitting import nobody
from aiops.approvals.values import ApprovalState, ItemState
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.recording import Entry, record_all
from aiops.locks import lock
from aiops.runs.models import Run
from aiops.settings import Settings

MOST_AT_ONCE = 500

logger = log.get(__name__)


def expire(settings: Settings) -> dict[str, int]:
    """Expire what is due, and what nobody may decide about any more; return counts.

    It alone writes ``expired``: until it does, a decision still counts.
    """
    pending = Approval.objects.filter(state=ApprovalState.PENDING)
    due = pending.filter(expires_at__lt=Now()).order_by("expires_at").values_list("pk", "run_id")
    count = sum(_try(pk, run_id, settings) for pk, run_id in list(due[:MOST_AT_ONCE]))
    left = 0
    for role, requester in _undecidable():
        items = ApprovalItem.objects.filter(state=ItemState.PENDING, role=role, approval__requester=requester)
        waiting = pending.filter(items__in=items).distinct().values_list("pk", "run_id")
        left += sum(_try(pk, run_id, settings, role=role) for pk, run_id in list(waiting[:MOST_AT_ONCE]))
    return {"expired": count, "without_deciders": left}


def _undecidable() -> list[tuple[str, Any]]:
    """Return the groups that are asked by somebody and have nobody else left in them."""
    asked = ApprovalItem.objects.filter(state=ItemState.PENDING, approval__state=ApprovalState.PENDING).exclude(role="")
    pairs = asked.order_by().values_list("role", "approval__requester").distinct()
    return [(role, user) for role, user in pairs if not deciders(role, requester_id=user).exists()]


def _try(approval_id: Any, run_id: Any, settings: Settings, *, role: str | None = None) -> bool:
    try:
        return _settle(approval_id, run_id, settings, role=role)
    except (OperationalError, InterfaceError):  # the database failed, not this approval
        raise
    except Exception:  # one broken approval must not block the others; the next look tries it again
        logger.exception("approval.not_expired", approval=str(approval_id), run=str(run_id))
        return False


def _settle(approval_id: Any, run_id: Any, settings: Settings, *, role: str | None = None) -> bool:
    """Expire the items of one approval, or those of one group; False when somebody decided, or stopped the run."""
    with transaction.atomic():
        lock(Run.objects.filter(pk=run_id))  # before the approval, as ``aiops.locks`` demands
        found = Approval.objects.select_for_update(no_key=True).filter(pk=approval_id, state=ApprovalState.PENDING)
        approval = (found if role else found.filter(expires_at__lt=Now())).first()
        if approval is None:
            return False
        approval.run = Run.objects.get(pk=run_id)
        waiting = ApprovalItem.objects.filter(approval=approval, state=ItemState.PENDING)
        waiting = waiting.filter(role=role) if role else waiting
        items = list(waiting.select_related("approval__requester").defer("approval__message"))
        if role and deciders(role, requester_id=approval.requester_id).exists():
            return False
        for item in items:
            reason = nobody(item.role, item.approval.requester.username, item.policy) if role else ""
            ApprovalItem.objects.filter(pk=item.pk).update(
                state=ItemState.EXPIRED, decided_at=Now(), decision_reason=reason
            )
        if not ApprovalItem.objects.filter(approval=approval, state=ItemState.PENDING).exists():
            settle(approval, ApprovalState.EXPIRED)
        name = f"approval:{approval.pk}"
        record_all([Entry(Action.APPROVAL_EXPIRED, SYSTEM, name, None, about(item)) for item in items])
    logger.info("approval.expired", approval=str(approval_id), run=str(run_id))
    announce(approval, ttl_s=settings.stream_ttl_s)
    return True
