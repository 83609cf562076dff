"""Sends what is due, and plans the next try; a delivery may arrive twice, always under the same id."""

from __future__ import annotations

import json
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from aiops import addresses, database, log, metrics
from aiops.addresses import BadAddress
from aiops.conversations import transitions
from aiops.errors import Conflict
from aiops.settings import Settings
from aiops.webhooks import signing
from aiops.webhooks.models import Delivery

AT_ONCE = 4
MOST_AT_ONCE = 40
TIMEOUT_S = 10.0
LEASE_S = 60.0
"""A delivery whose sender died is tried again after this."""
PAUSES_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800)
"""Before each further try: about a day in all."""
GONE = 410
ALLOWED = "AIOPS_WEBHOOK_NETWORKS allows more"
MAX_ERROR_CHARACTERS = 300

logger = log.get(__name__)


def deliver(settings: Settings) -> dict[str, int]:
    """Send all that is due, some at a time; return counts."""
    due = Delivery.objects.filter(state=Delivery.State.PENDING, next_at__lte=Now()).order_by("next_at")
    ids = list(due.values_list("pk", flat=True)[:MOST_AT_ONCE])
    if not ids:
        return {"delivered": 0, "not_delivered": 0}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhooks") as threads:
        outcomes = list(threads.map(lambda pk: _in_thread(pk, settings), ids))
    return {"delivered": outcomes.count(True), "not_delivered": outcomes.count(False)}


def again(delivery: Delivery) -> None:
    """Send a delivery anew, from its first try; raises Conflict while it is pending."""
    ended = Delivery.objects.filter(pk=delivery.pk).exclude(state=Delivery.State.PENDING)
    if not ended.update(state=Delivery.State.PENDING, attempts=0, next_at=Now(), error=""):
        raise Conflict("This delivery is still being tried.", code="delivery_pending")


def _in_thread(delivery_id: Any, settings: Settings) -> bool | None:
    try:
        return _one(delivery_id, settings)
    finally:
        connection.close()


def _one(delivery_id: Any, settings: Settings) -> bool | None:
    """Send one delivery; whether it arrived, or None when somebody else is at it."""
    delivery = _claim(delivery_id)
    if delivery is None:
        return None
    try:
        status = _send(delivery, settings)
    except (BadAddress, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        for_good = isinstance(error, BadAddress | httpx.InvalidURL)
        return _failed(delivery, None, _words(error), for_good=for_good)
    if httpx.codes.is_success(status):
        Delivery.objects.filter(pk=delivery.pk).update(
            state=Delivery.State.DELIVERED, status=status, error="", delivered_at=Now(), next_at=None
        )
        metrics.count(metrics.WEBHOOKS, "delivered")
        return True
    return _failed(delivery, status, f"It answered {status}.", for_good=status == GONE)


def _words(error: Exception) -> str:
    if isinstance(error, BadAddress):
        return str(error)
    if isinstance(error, socket.gaierror):
        return f"Its name cannot be looked up: {error.strerror}."
    return f"{type(error).__name__}: {error}"


def _claim(delivery_id: Any) -> Delivery | None:
    with transaction.atomic():
        rows: QuerySet[Delivery] = Delivery.objects.select_for_update(skip_locked=True)
        delivery = rows.filter(pk=delivery_id, state=Delivery.State.PENDING, next_at__lte=Now()).first()
        if delivery is not None:
            lease = transitions.in_seconds(LEASE_S)
            Delivery.objects.filter(pk=delivery_id).update(next_at=lease, attempts=F("attempts") + 1)
            delivery.attempts += 1
    return delivery


def _send(delivery: Delivery, settings: Settings) -> int:
    """Post it to its pinned address, without following anything; raises BadAddress, OSError or httpx.HTTPError."""
    target = addresses.resolve(delivery.url, allowed=settings.networks_of_webhooks(), cure=ALLOWED)
    body = json.dumps(delivery.payload, ensure_ascii=False, separators=(",", ":")).encode()
    now = int(database.now_s())
    key = signing.key_of(delivery.user_id, settings)
    headers = {
        **signing.headers(key, id_=str(delivery.pk), timestamp=now, body=body),
        "Host": target.host_header,
        "Content-Type": "application/json",
        "User-Agent": "aiops-webhooks",
    }
    verify = httpx.create_ssl_context()  # with SSL_CERT_FILE, for an authority of one's own
    with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=verify) as client:
        request = client.build_request(
            "POST", target.pinned_url, content=body, headers=headers, extensions={"sni_hostname": target.host}
        )
        response = client.send(request, stream=True)  # what it says besides its status is nobody's business
        response.close()
    return response.status_code


def _failed(delivery: Delivery, status: int | None, error: str, *, for_good: bool) -> bool:
    changes: dict[str, Any] = {"status": status, "error": error[:MAX_ERROR_CHARACTERS]}
    if for_good or delivery.attempts > len(PAUSES_S):
        changes |= {"state": Delivery.State.FAILED, "next_at": None}
        metrics.count(metrics.WEBHOOKS, "failed")
    else:
        pause_s = PAUSES_S[delivery.attempts - 1] * random.uniform(0.9, 1.1)  # noqa: S311  (spreads load)
        changes["next_at"] = Now() + timedelta(seconds=pause_s)
        metrics.count(metrics.WEBHOOKS, "tried")
    logger.warning("webhook.not_delivered", delivery=str(delivery.pk), status=status, attempts=delivery.attempts)
    Delivery.objects.filter(pk=delivery.pk).update(**changes)
    return False
