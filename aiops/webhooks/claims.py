"""Chooses and claims the deliveries to send next, with a lease and a fencing token, and records their outcomes.

One user and one host get a bounded share of the concurrent deliveries, so a receiver that never answers delays only
its own.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from aiops import database, log, metrics
from aiops.errors import Conflict
from aiops.webhooks.models import Delivery

MAX_PER_USER = 4
MAX_PER_HOST = 4
LEASE_S = 60.0
"""Longer than an attempt (``sending.TOTAL_S``) and writing its row together, because this lease is never renewed."""
PAUSES_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800)
"""Pause before each further attempt: about a day in total."""
MAX_ERROR_CHARACTERS = 300
TRIED = "tried"
OUTCOMES = (Delivery.State.DELIVERED, Delivery.State.FAILED, TRIED)
"""Outcomes of an attempt, in the metrics; after ``TRIED`` another attempt follows."""

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended: delivered when ``error`` is empty; not retried when ``final``."""

    status: int | None = None
    error: str = ""
    final: bool = False


def due() -> QuerySet[Delivery]:
    """Return the deliveries that can be claimed now."""
    return Delivery.objects.filter(state=Delivery.State.PENDING, next_at__lte=Now())


def claim_some(room: int, *, in_flight: Collection[Delivery]) -> list[Delivery]:
    """Claim at most ``room`` due deliveries: users with the fewest in flight first, then the oldest."""
    of_user = Counter(delivery.user_id for delivery in in_flight)
    of_host = Counter(delivery.host for delivery in in_flight)
    claimed: list[Delivery] = []
    for share in range(1, MAX_PER_USER + 1):
        # one claim changes which users and hosts have room, so the query is repeated until it finds nothing
        while more := list(_claim_within(share, of_user, of_host, room=room - len(claimed))):
            claimed += more
    return claimed


def _claim_within(share: int, of_user: Counter[UUID], of_host: Counter[str], *, room: int) -> Iterator[Delivery]:
    """Claim deliveries while their user is below ``share`` and their host below its maximum; update both counters."""
    users = [user for user, count in of_user.items() if count >= share]
    hosts = [host for host, count in of_host.items() if count >= MAX_PER_HOST]
    open_ = due().exclude(user_id__in=users).exclude(host__in=hosts).order_by("next_at")
    for pk, user, host in list(open_.values_list("pk", "user_id", "host")[:room]):
        if of_user[user] < share and of_host[host] < MAX_PER_HOST and (delivery := claim(pk)) is not None:
            of_user[user] += 1
            of_host[host] += 1
            yield delivery


def claim(delivery_id: Any) -> Delivery | None:
    """Claim a due delivery until its lease ends; None when another process has claimed it."""
    lease = database.in_seconds(LEASE_S)
    if not due().filter(pk=delivery_id).update(next_at=lease, attempts=F("attempts") + 1, fence=F("fence") + 1):
        return None
    return Delivery.objects.filter(pk=delivery_id).first()  # None when it was deleted meanwhile


def conclude(delivery: Delivery, outcome: Outcome) -> bool | None:
    """Record an outcome; return whether it was delivered, or None when the claim is stale and nothing was written."""
    changes: dict[str, Any] = {"status": outcome.status, "error": outcome.error[:MAX_ERROR_CHARACTERS]}
    if not outcome.error:
        changes |= {"state": Delivery.State.DELIVERED, "delivered_at": Now(), "next_at": None}
    elif outcome.final or delivery.attempts > len(PAUSES_S):
        changes |= {"state": Delivery.State.FAILED, "next_at": None}
    else:
        pause_s = PAUSES_S[delivery.attempts - 1] * random.uniform(0.9, 1.1)  # noqa: S311  (spreads load)
        changes["next_at"] = Now() + timedelta(seconds=pause_s)
    # a later claim has incremented the token, so a slow attempt cannot overwrite its outcome
    mine = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.PENDING, fence=delivery.fence)
    if not mine.update(**changes):
        logger.warning("webhook.outdated", delivery=str(delivery.pk), fence=delivery.fence)
        return None
    metrics.count(metrics.WEBHOOKS, str(changes.get("state", TRIED)))
    if outcome.error:
        logger.warning(
            "webhook.not_delivered", delivery=str(delivery.pk), status=outcome.status, attempts=delivery.attempts
        )
    return not outcome.error


def requeue(delivery: Delivery) -> None:
    """Make a delivery due again with all its attempts; raises Conflict while it is pending."""
    ended = Delivery.objects.filter(pk=delivery.pk).exclude(state=Delivery.State.PENDING)
    if not ended.update(state=Delivery.State.PENDING, attempts=0, next_at=Now(), error=""):
        raise Conflict("This delivery is pending: wait until it is delivered or has failed.", code="delivery_pending")
