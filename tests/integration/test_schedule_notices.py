"""Who hears that a schedule failed or was paused: by mail, Slack, ntfy or webhook, once, and with nothing hostile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from email.header import decode_header
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from aiops.people import tokens
from aiops.people.models import User
from aiops.schedules import api, firing
from aiops.schedules.models import Schedule
from aiops.webhooks import claims, delivering, forms, mailing, sending
from aiops.webhooks.models import Delivery
from tests.integration.mail_server import MailServer
from tests.integration.receivers import Receiver
from tests.integration.test_schedules import Make, come, end, make, queue, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS.model_copy(
    update={"webhook_networks": "127.0.0.0/8", "mail_from": "aiops@example.org"}
)
HOSTILE = "<!channel> & \r\nBcc: x@example.org"


def fail(schedule: Schedule, detail: str = "The key was refused.") -> None:
    come(schedule)
    tick()
    end("failed", detail=detail)
    tick()


def events() -> list[str]:
    return list(Delivery.objects.order_by("pk").values_list("event", flat=True))


@pytest.fixture
def mail() -> Iterator[MailServer]:
    made = MailServer()
    yield made
    made.stop()


def deliver(server: MailServer | None = None) -> dict[str, int]:
    update = {"mail_url": type(SETTINGS.mail_url)(server.url)} if server else {}
    return delivering.deliver(SETTINGS.model_copy(update=update))


def test_the_first_failure_in_a_row_and_a_pause_are_reported(make: Make) -> None:
    schedule = make(max_failures=3, notify_by="webhook", notify_url="https://example.org/hook")
    fail(schedule)
    assert events() == ["schedule.failed"]
    fail(schedule)
    assert events() == ["schedule.failed"]
    fail(schedule)
    assert events() == ["schedule.failed", "schedule.paused"]
    last = Delivery.objects.latest("pk")
    assert last.payload["data"]["reason"] == "It failed 3 times in a row; the last time: The key was refused."
    assert last.payload["data"]["name"] == schedule.name
    assert (last.url, last.host, last.user_id) == ("https://example.org/hook", "example.org", schedule.user_id)


def test_after_a_success_the_next_failure_is_reported_again(make: Make) -> None:
    schedule = make(notify_by="ntfy", notify_url="https://ntfy.example.org/ops")
    fail(schedule)
    come(schedule)
    tick()
    end("succeeded")
    tick()
    fail(schedule)
    assert events() == ["schedule.failed", "schedule.failed"]


def test_who_did_not_ask_hears_nothing_and_a_pause_by_its_owner_is_no_news(make: Make, client: Client) -> None:
    silent = make(max_failures=1)
    fail(silent)
    assert events() == []


def test_one_that_cannot_be_started_is_paused_and_reported(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = make(notify_by="slack", notify_url="https://hooks.example.org/x")

    def broken(*_: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(firing, "_start_or_refuse", broken)
    come(schedule)
    assert tick()["broken"] == 1
    assert events() == ["schedule.paused"]


def test_slack_gets_a_text_that_can_mention_nobody(make: Make, receiver: Receiver) -> None:
    schedule = make(notify_by="slack", notify_url=receiver.url)
    fail(schedule, HOSTILE)
    assert deliver()["delivered"] == 1
    headers, body = receiver.got[0]
    assert "webhook-signature" not in headers
    text = json.loads(body)["text"]
    assert "&lt;!channel&gt; &amp;" in text
    assert f"/schedules/{schedule.pk}/" in text


def test_ntfy_gets_the_text_and_a_title(make: Make, receiver: Receiver) -> None:
    schedule = make(name="größte\nX: y", notify_by="ntfy", notify_url=receiver.url)
    fail(schedule, HOSTILE)
    assert deliver()["delivered"] == 1
    headers, body = receiver.got[0]
    assert body.decode() == HOSTILE
    (title, encoding), *_ = decode_header(headers["title"])
    assert "größte" in (title.decode(encoding) if isinstance(title, bytes) else title)
    assert "x" not in {name.lower() for name in headers}


def test_a_webhook_notice_is_signed_like_other_webhooks(make: Make, receiver: Receiver) -> None:
    fail(make(notify_by="webhook", notify_url=receiver.url))
    deliver()
    headers, body = receiver.got[0]
    assert headers["webhook-signature"].startswith("v1,")
    assert json.loads(body)["type"] == "schedule.failed"


def test_a_mail_goes_to_the_address_of_the_account(make: Make, user: User, mail: MailServer) -> None:
    User.objects.filter(pk=user.pk).update(email="ann@example.org")
    fail(make(name="nightly\r\nBcc: x@example.org", notify_by="mail"), HOSTILE)
    assert deliver(mail)["delivered"] == 1
    ((to, message),) = mail.mails
    assert to == "ann@example.org"
    assert message["From"] == "aiops@example.org"
    assert "nightly" in message["Subject"]
    assert message["Bcc"] is None
    assert message["Auto-Submitted"] == "auto-generated"
    assert "<!channel>" in message.get_content()


def test_mail_that_is_not_configured_is_tried_again_later(make: Make, user: User) -> None:
    User.objects.filter(pk=user.pk).update(email="ann@example.org")
    fail(make(notify_by="mail"))
    assert deliver()["not_delivered"] == 1
    row = Delivery.objects.get()
    assert (row.state, row.error) == ("pending", mailing.NOT_CONFIGURED)


def test_a_recipient_that_is_refused_for_good_is_not_tried_again(make: Make, user: User, mail: MailServer) -> None:
    User.objects.filter(pk=user.pk).update(email="ann@example.org")
    mail.refuses = "550 no such user"
    fail(make(notify_by="mail"))
    deliver(mail)
    row = Delivery.objects.get()
    assert (row.state, row.error) == ("failed", "The mail server refuses ann@example.org: 550 no such user")


def test_a_mail_server_that_drips_is_given_up_after_the_total_limit(
    make: Make, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    User.objects.filter(pk=user.pk).update(email="ann@example.org")
    fail(make(notify_by="mail"))
    monkeypatch.setattr(sending, "TOTAL_S", 1.0)
    server = MailServer(drips=True)
    begun = time.monotonic()
    try:
        deliver(server)
    finally:
        server.stop()
    assert time.monotonic() - begun < claims.LEASE_S
    assert Delivery.objects.get().error == "The mail server did not take it within 1 s."


@pytest.fixture
def post(user: User, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    token = tokens.issue(user, name="test")[1]
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})
    ours = SETTINGS.model_copy(update={"mail_url": type(SETTINGS.mail_url)("smtp://localhost")})
    monkeypatch.setattr(api, "SETTINGS", ours)

    def send(notify: Any, path: str = "/api/schedules/", method: str = "post") -> Any:
        body = {"notify": notify} | ({"name": "s", "message": "x", "every_s": 3_600} if method == "post" else {})
        return getattr(web, method)(path, body, "application/json")

    return send


def test_notices_are_chosen_changed_and_ended(post: Callable[..., Any]) -> None:
    made = post({"by": "slack", "url": "https://hooks.example.org/x"})
    assert made.status_code == 201, made.content
    assert made.json()["notify"] == {"by": "slack", "url": "https://hooks.example.org/x"}
    here = f"/api/schedules/{made.json()['id']}/"
    assert post({"by": "ntfy", "url": "https://ntfy.example.org/t"}, here, "patch").json()["notify"]["by"] == "ntfy"
    assert post(None, here, "patch").json()["notify"] is None


@pytest.mark.parametrize(
    ("notify", "named"),
    [
        ({"by": "slack"}, "url"),
        ({"by": "mail", "url": "https://x.example.org"}, "url"),
        ({"by": "pigeon"}, "by"),
        ({"by": "slack", "url": "ftp://x"}, "url"),
        ({"by": "slack", "url": "https://x.example.org", "to": "y"}, "to"),
        ("mail", "notify"),
    ],
)
def test_other_notices_are_refused(post: Callable[..., Any], notify: Any, named: str) -> None:
    refused = post(notify)
    assert refused.status_code == 400
    assert named in json.dumps(refused.json()["errors"])


def test_mail_needs_an_address_of_the_account_and_a_server(
    post: Callable[..., Any], user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no mail address" in json.dumps(post({"by": "mail"}).json())
    User.objects.filter(pk=user.pk).update(email="ann@example.org")
    assert post({"by": "mail"}).status_code == 201
    monkeypatch.setattr(api, "SETTINGS", SETTINGS)
    assert "AIOPS_MAIL_URL" in json.dumps(post({"by": "mail"}).json())


def test_long_texts_are_cut() -> None:
    said = {"title": "t", "text": "x" * 10_000, "link": ""}
    assert len(forms.ntfy(said)[0]) == forms.MAX_CHARACTERS
    assert len(forms.slack(said)[0]) < 2 * forms.MAX_CHARACTERS
