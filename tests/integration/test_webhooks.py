"""What ends is told once, signed, tried again for a day, and anew by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.conversations.models import Run
from aiops.errors import Conflict
from aiops.people.models import User
from aiops.upkeep.jobs import webhooks
from aiops.webhooks import delivering, outbox, signing
from aiops.webhooks.models import Delivery

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS.model_copy(update={"webhook_networks": "127.0.0.0/8"})
Ask = Callable[..., Run]


class Receiver:
    """A program of somebody else's: remembers what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
                status = receiver.answers.pop(0) if receiver.answers else 200
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def end(run: Run, state: str = "succeeded", **fields: Any) -> None:
    Run.objects.filter(pk=run.pk).update(state=state, finished_at=Now(), **fields)


def due_now() -> None:
    Delivery.objects.filter(state="pending").update(next_at=Now() - timedelta(seconds=1))


def test_an_end_is_told_once_and_signed_so_that_its_receiver_can_check(
    ask: Ask, user: User, receiver: Receiver
) -> None:
    run = ask(webhook=receiver.url)
    ask()
    assert webhooks.work(SETTINGS)["collected"] == 0
    end(run, answer="42 µs")
    assert webhooks.work(SETTINGS) == {"collected": 1, "delivered": 1, "not_delivered": 0}
    assert webhooks.work(SETTINGS) == {"collected": 0, "delivered": 0, "not_delivered": 0}
    ((headers, body),) = receiver.got
    told = json.loads(body)
    assert (told["type"], told["data"]["id"], told["data"]["answer"]) == ("run.succeeded", str(run.pk), "42 µs")
    key = base64.b64decode(signing.key_of(user.pk, SETTINGS).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["host"] == receiver.url.split("/")[2]
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.status) == ("delivered", 1, 200)


def test_what_was_not_taken_is_tried_again_under_its_id_and_later_each_time(ask: Ask, receiver: Receiver) -> None:
    end(ask(webhook=receiver.url), "failed", error={"code": "x", "detail": "y"})
    receiver.answers += [500, 302]
    webhooks.work(SETTINGS)
    first = Delivery.objects.get()
    assert (first.state, first.status, first.error) == ("pending", 500, "It answered 500.")
    assert webhooks.work(SETTINGS)["not_delivered"] == 0, "it is not due yet"
    due_now()
    webhooks.work(SETTINGS)
    second = Delivery.objects.get()
    assert second.status == 302, "a redirect is not followed"
    assert second.next_at is not None
    assert first.next_at is not None
    assert second.next_at > first.next_at
    due_now()
    webhooks.work(SETTINGS)
    assert Delivery.objects.get().state == "delivered"
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3


def test_after_a_day_it_is_given_up_and_can_be_sent_anew(ask: Ask, receiver: Receiver) -> None:
    end(ask(webhook=receiver.url))
    receiver.answers += [503] * (len(delivering.PAUSES_S) + 1)
    for _ in range(len(delivering.PAUSES_S) + 1):
        webhooks.work(SETTINGS)
        due_now()
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.next_at) == ("failed", None)
    assert 20 * 3_600 < sum(delivering.PAUSES_S) < 24 * 3_600
    delivering.again(delivery)
    with pytest.raises(Conflict):
        delivering.again(delivery)
    webhooks.work(SETTINGS)
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.parametrize(("answer", "networks"), [(410, "127.0.0.0/8"), (200, "")])
def test_who_is_gone_or_may_not_be_reached_is_not_tried_again(
    ask: Ask, receiver: Receiver, answer: int, networks: str
) -> None:
    end(ask(webhook=receiver.url))
    receiver.answers.append(answer)
    webhooks.work(SETTINGS.model_copy(update={"webhook_networks": networks}))
    assert Delivery.objects.get().state == "failed"
    assert len(receiver.got) == (1 if networks else 0)


def test_nobody_listens_and_the_reason_is_kept(ask: Ask) -> None:
    end(ask(webhook="http://127.0.0.1:9/"))
    webhooks.work(SETTINGS)
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.status) == ("pending", None)
    assert delivery.error.startswith("ConnectError")


def test_a_sender_that_died_is_followed_by_another_after_its_lease(ask: Ask, receiver: Receiver) -> None:
    end(ask(webhook=receiver.url))
    outbox.collect()
    delivery = Delivery.objects.get()
    assert delivering._claim(delivery.pk) is not None
    assert delivering._claim(delivery.pk) is None
    assert webhooks.work(SETTINGS)["delivered"] == 0
    due_now()
    assert webhooks.work(SETTINGS)["delivered"] == 1


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
    assert webhooks.work(SETTINGS)["delivered"] == delivered
    assert ("CERTIFICATE_VERIFY_FAILED" in Delivery.objects.get().error) is not bool(delivered)
    assert [headers["host"].partition(":")[0] for headers, _ in receiver.got] == ["hooks.test"] * delivered


def test_each_end_of_a_batch_is_told(user: User, receiver: Receiver) -> None:
    fields = {"format": "jsonl", "max_concurrency": 1, "completion_window_s": 60, "webhook": receiver.url}
    batch = Batch.objects.create(user=user, state="completed", webhook_due=True, total=2, succeeded=2, **fields)
    webhooks.work(SETTINGS)
    Batch.objects.filter(pk=batch.pk).update(state="cancelled", webhook_due=True)
    webhooks.work(SETTINGS)
    assert [json.loads(body)["type"] for _, body in receiver.got] == ["batch.completed", "batch.cancelled"]
    assert json.loads(receiver.got[0][1])["data"]["counts"]["succeeded"] == 2


def test_another_key_signs_from_then_on(user: User) -> None:
    before = signing.key_of(user.pk, SETTINGS)
    signing.renew(user)
    after = signing.key_of(user.pk, SETTINGS)
    signing.renew(user)
    assert len({before, after, signing.key_of(user.pk, SETTINGS)}) == 3
