"""Closes what people were asked for runs that have ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models.functions import Now

from aiops.approvals.models import Approval, ApprovalItem
from aiops.approvals.values import GRANTED, ApprovalState, ItemState


def close(run_ids: Iterable[Any]) -> None:
    """Close the open approvals and items of these runs; must run in the transaction that ends them.

    A call that was under way has an unknown outcome.
    """
    ids = list(run_ids)
    items = ApprovalItem.objects.filter(approval__run__in=ids)
    items.filter(state__in=[ItemState.PENDING, *GRANTED]).update(state=ItemState.CLOSED)
    items.filter(state=ItemState.EXECUTING).update(state=ItemState.OUTCOME_UNKNOWN)
    pending = Approval.objects.filter(run__in=ids, state=ApprovalState.PENDING)
    pending.update(state=ApprovalState.CLOSED, decided_at=Now())
