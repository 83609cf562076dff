"""An end is sent to its webhook once, signed, retried for a day, and again by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.errors import Conflict
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.webhooks import claims, delivering, outbox, signing
from aiops.webhooks.models import Delivery
from tests.integration.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS.model_copy(update={"webhook_networks": "127.0.0.0/8"})
Ask = Callable[..., Run]


def end(run: Run, state: str = "succeeded", **fields: Any) -> None:
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=Now(), **fields)


def due_now() -> None:
    Delivery.objects.filter(state="pending").update(next_at=Now() - timedelta(seconds=1))


def test_a_webhook_is_sent_once_and_signed_so_that_its_receiver_can_check(
    ask: Ask, user: User, receiver: Receiver
) -> None:
    run = ask(webhook=receiver.url)
    ask()
    assert delivering.deliver(SETTINGS)["collected"] == 0
    end(run, answer="42 µs")
    assert delivering.deliver(SETTINGS) == {"collected": 1, "delivered": 1, "not_delivered": 0}
    assert delivering.deliver(SETTINGS) == {"collected": 0, "delivered": 0, "not_delivered": 0}
    ((headers, body),) = receiver.got
    payload = json.loads(body)
    assert (payload["type"], payload["data"]["id"], payload["data"]["answer"]) == (
        "run.succeeded",
        str(run.pk),
        "42 µs",
    )
    key = base64.b64decode(signing.key_of(user.pk, SETTINGS).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["host"] == receiver.url.split("/")[2]
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 1, 200)


def test_a_failed_delivery_is_retried_under_its_id_with_growing_delays(ask: Ask, receiver: Receiver) -> None:
    end(ask(webhook=receiver.url), "failed", error={"code": "x", "detail": "y"})
    receiver.answers += [500, 302]
    delivering.deliver(SETTINGS)
    first = Delivery.objects.get()
    assert (first.state, first.status, first.error) == ("pending", 500, "The receiver answered 500.")
    assert delivering.deliver(SETTINGS)["not_delivered"] == 0, "it is not due yet"
    due_now()
    delivering.deliver(SETTINGS)
    second = Delivery.objects.get()
    assert second.status == 302, "a redirect is not followed"
    assert second.next_at is not None
    assert first.next_at is not None
    assert second.next_at > first.next_at
    due_now()
    delivering.deliver(SETTINGS)
    assert Delivery.objects.get().state == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_a_delivery_that_fails_for_a_day_is_given_up_and_can_be_redelivered(ask: Ask, receiver: Receiver) -> None:
    end(ask(webhook=receiver.url))
    receiver.answers += [503] * (len(claims.PAUSES_S) + 1)
    for _ in range(len(claims.PAUSES_S) + 1):
        delivering.deliver(SETTINGS)
        due_now()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.next_at) == ("failed", None)
    assert 20 * 3_600 < sum(claims.PAUSES_S) < 24 * 3_600
    claims.requeue(delivery)
    with pytest.raises(Conflict):
        claims.requeue(delivery)
    delivering.deliver(SETTINGS)
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.parametrize(("answer", "networks"), [(410, "127.0.0.0/8"), (200, "")])
def test_a_receiver_that_is_gone_or_forbidden_is_not_retried(
    ask: Ask, receiver: Receiver, answer: int, networks: str
) -> None:
    end(ask(webhook=receiver.url))
    receiver.answers.append(answer)
    delivering.deliver(SETTINGS.model_copy(update={"webhook_networks": networks}))
    assert Delivery.objects.get().state == "failed"
    assert len(receiver.got) == (1 if networks else 0)


def test_a_delivery_that_nobody_listens_for_keeps_the_reason(ask: Ask) -> None:
    end(ask(webhook="http://127.0.0.1:9/"))
    delivering.deliver(SETTINGS)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status) == ("pending", None)
    assert delivery.error.startswith("ConnectError")


def test_a_sender_that_died_is_followed_by_another_after_its_lease(ask: Ask, receiver: Receiver) -> None:
    end(ask(webhook=receiver.url))
    outbox.collect()
    delivery = Delivery.objects.get()
    assert claims.claim(delivery.pk) is not None
    assert claims.claim(delivery.pk) is None
    assert delivering.deliver(SETTINGS)["delivered"] == 0
    due_now()
    assert delivering.deliver(SETTINGS)["delivered"] == 1


@pytest.mark.parametrize(("name", "delivered"), [("hooks.test", 1), ("other.test", 0)])
def test_https_is_checked_against_the_name_although_the_address_is_pinned(
    ask: Ask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, delivered: int
) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("hooks.test").configure_cert(context)
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    lookup = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: lookup("127.0.0.1" if host.endswith(".test") else host, *a, **k)
    )
    end(ask(webhook=receiver.url.replace("http://127.0.0.1", f"https://{name}")))
    assert delivering.deliver(SETTINGS)["delivered"] == delivered
    assert ("its certificate is for another name" in Delivery.objects.get().error) is not bool(delivered)
    assert [headers["host"].partition(":")[0] for headers, _ in receiver.got] == ["hooks.test"] * delivered


def test_each_end_of_a_batch_is_sent_to_its_webhook(user: User, receiver: Receiver) -> None:
    fields = {"format": "jsonl", "max_concurrency": 1, "completion_window_s": 60, "webhook": receiver.url}
    batch = Batch.objects.create(user=user, state="completed", webhook_due=True, total=2, succeeded=2, **fields)
    delivering.deliver(SETTINGS)
    Batch.objects.filter(pk=batch.pk).update(state="cancelled", webhook_due=True)
    delivering.deliver(SETTINGS)
    assert [json.loads(body)["type"] for _, body in receiver.got] == ["batch.completed", "batch.cancelled"]
    assert json.loads(receiver.got[0][1])["data"]["counts"]["succeeded"] == 2


def test_a_new_webhook_key_signs_from_then_on(user: User) -> None:
    before = signing.key_of(user.pk, SETTINGS)
    signing.renew(user)
    after = signing.key_of(user.pk, SETTINGS)
    signing.renew(user)
    assert len({before, after, signing.key_of(user.pk, SETTINGS)}) == 3
