"""Attachments through the API: whose they are, what they may be, sent once, and gone with what they belong to.

More than 250 lines: one door with everything that it takes, refuses and leaves behind.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aiops.apps import features
from aiops.attachments import jobs, lifecycle
from aiops.attachments.limits import MAX_BYTES, MAX_PER_MESSAGE
from aiops.attachments.models import Attachment
from aiops.conversations.models import Conversation, Message
from aiops.people import accounts, tokens
from aiops.people.models import User
from aiops.retention import pruning, rules
from aiops.retention.rules import Rule
from aiops.runs.models import Run

PROBLEM = "application/problem+json"
URL = "/api/attachments/"
SETTINGS = django_settings.SETTINGS
Upload = Callable[..., str]


def client_of(user: User, **headers: str) -> Client:
    token = tokens.issue(user, name="test")[1]
    return Client(headers={"host": "localhost", "authorization": f"Bearer {token}", **headers})


@pytest.fixture
def client(user: User, sent: list[str]) -> Client:
    return client_of(user)


@pytest.fixture
def bob(db: None) -> Client:
    return client_of(User.objects.create_user("bob", password="correct-horse-battery"))


def file(data: bytes = b"eth0 is down\n", name: str = "a.log") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


@pytest.fixture
def upload(client: Client) -> Upload:
    def make(data: bytes = b"eth0 is down\n", name: str = "a.log") -> str:
        answer = client.post(URL, {"file": file(data, name)})
        assert answer.status_code == 201, answer.content
        return str(answer.json()["id"])

    return make


def ask(client: Client, *ids: str, **fields: Any) -> Any:
    return client.post("/api/chat/", {"message": "what happened?", "attachments": ids, **fields}, "application/json")


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM), answer.content
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code
    return problem


def test_a_text_file_is_stored_as_text(client: Client, user: User) -> None:
    answer = client.post(URL, {"file": file("grün\n".encode("utf-16"), "r\u202e/../a\n.log")})
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "name": "a.log", "bytes": 6}
    assert uuid.UUID(answer.json()["id"]).version == 7
    row = Attachment.objects.get()
    assert (row.user, row.message, row.text) == (user, None, "grün\n")


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({}, {"file"}),
        ({"file": "a text"}, {"file"}),
        ({"file": [file(), file()]}, {"file"}),
        ({"file": file(), "options": "{}"}, {"options"}),
        ({"file": file(), "more": file()}, {"more"}),
        ({"file": file(b"")}, {"file"}),
    ],
    ids=str,
)
def test_a_form_is_one_file_and_nothing_else(client: Client, form: Any, named: set[str]) -> None:
    assert set(refused(client.post(URL, form), 400, "invalid")["errors"]) == named


@pytest.mark.parametrize("data", [b"\x7fELF\0\0", b"a\xff", "grün".encode("latin-1")])
def test_what_is_no_text_is_refused_with_the_cure(client: Client, data: bytes) -> None:
    problem = refused(client.post(URL, {"file": file(data)}), 400, "not_text")
    assert "iconv" in problem["errors"]["file"][0]


def test_a_file_may_have_256_kb_and_no_more(client: Client, upload: Upload) -> None:
    upload(b"x" * MAX_BYTES)
    problem = refused(client.post(URL, {"file": file(b"x" * (MAX_BYTES + 1))}), 413, "body_too_large")
    assert "262145 bytes" in problem["detail"]
    assert "262144" in problem["detail"]
    assert Attachment.objects.count() == 1


def test_the_front_takes_a_form_of_that_size() -> None:
    (limit,) = [of(SETTINGS) for feature in features() for path, of in feature.body_limits.items() if path == URL]
    assert limit == MAX_BYTES + SETTINGS.max_body_bytes


def test_json_is_no_form(client: Client) -> None:
    refused(client.post(URL, {"file": "x"}, "application/json"), 415, "unsupported_media_type")


def test_who_is_not_signed_in_or_may_only_read_uploads_nothing(user: User) -> None:
    refused(Client(headers={"host": "localhost"}).post(URL, {"file": file()}), 401, "not_authenticated")
    token = tokens.issue(user, name="reader", scope="read")[1]
    reader = Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})
    refused(reader.post(URL, {"file": file()}), 403, "forbidden")


def test_a_repeated_upload_is_stored_once(client: Client) -> None:
    key = {"Idempotency-Key": "k"}
    first, again = (client.post(URL, {"file": file()}, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert Attachment.objects.count() == 1
    for other in (file(b"another"), file(name="b.log")):
        refused(client.post(URL, {"file": other}, headers=key), 422, "idempotency_mismatch")


def test_one_user_has_a_hundred_that_were_not_sent(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "MAX_UNSENT", 2)
    first, _ = (client.post(URL, {"file": file()}).json()["id"] for _ in range(2))
    answer = client.post(URL, {"file": file()})
    refused(answer, 429, "too_many_attachments")
    assert answer["Retry-After"]
    assert ask(client, first).status_code == 202
    assert client.post(URL, {"file": file()}).status_code == 201


def test_attachments_go_with_their_message_in_its_order(client: Client, upload: Upload) -> None:
    first, second = upload(b"one"), upload(b"three", "b.log")
    answer = ask(client, second, first)
    assert answer.status_code == 202
    accepted = answer.json()
    assert set(Attachment.objects.values_list("message_id", flat=True)) == {uuid.UUID(accepted["message"])}
    (message,) = client.get(f"/api/conversations/{accepted['conversation']}/messages/").json()["results"]
    assert message["text"] == "what happened?"
    assert message["attachments"] == [
        {"id": second, "name": "b.log", "bytes": 5},
        {"id": first, "name": "a.log", "bytes": 3},
    ]
    more = ask(client, upload(), conversation=accepted["conversation"])
    assert (more.status_code, more.json()["conversation"]) == (202, accepted["conversation"])


def test_a_repeated_message_sends_its_attachment_once(client: Client, upload: Upload) -> None:
    one, key = upload(), {"Idempotency-Key": "k"}
    body = {"message": "?", "attachments": [one]}
    first, again = (client.post("/api/chat/", body, "application/json", headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())


def test_an_attachment_is_sent_with_one_message(client: Client, upload: Upload) -> None:
    one = upload()
    conversation = ask(client, one).json()["conversation"]
    for fields in ({}, {"conversation": conversation}):
        problem = refused(ask(client, upload(), one, **fields), 409, "attachment_sent")
        assert one in problem["detail"]
    assert (Message.objects.count(), Run.objects.count(), Conversation.objects.count()) == (1, 1, 1)
    assert Attachment.objects.filter(message=None).count() == 2


def test_attachments_of_others_are_as_unknown_as_those_that_do_not_exist(
    client: Client, bob: Client, upload: Upload
) -> None:
    mine, nobodys = upload(), str(uuid.uuid4())
    sent = upload()
    ask(client, sent)
    problems = [refused(ask(bob, one), 404, "not_found") for one in (mine, sent, nobodys)]
    details = {re.sub(r"[0-9a-f-]{36}", "ID", problem["detail"]) for problem in problems}
    assert details == {"There is no such attachment: ID."}
    assert Attachment.objects.filter(message=None).count() == 1
    assert Run.objects.count() == 1


@pytest.mark.parametrize(
    "ids",
    [
        ["x"],
        [1],
        [None],
        "x",
        {"a": 1},
        [str(uuid.uuid4())] * 2,
        [str(uuid.uuid4()) for _ in range(MAX_PER_MESSAGE + 1)],
    ],
    ids=["word", "number", "null", "text", "object", "twice", "six"],
)
def test_what_names_no_attachments_is_refused_by_its_field(client: Client, ids: Any) -> None:
    answer = client.post("/api/chat/", {"message": "?", "attachments": ids}, "application/json")
    fields = refused(answer, 400, "invalid")["errors"]
    assert {name.partition(".")[0] for name in fields} == {"attachments"}
    assert Message.objects.count() == 0


def test_a_message_without_attachments_costs_no_query_for_them(client: Client) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert ask(client).status_code == 202
        conversation = Conversation.objects.get().pk
        client.get(f"/api/conversations/{conversation}/messages/")
    assert [query["sql"] for query in asked if "attachments_attachment" in query["sql"]] == []


def test_attachments_are_deleted_with_their_conversation(client: Client, upload: Upload) -> None:
    kept = upload()
    conversation = ask(client, upload(), upload()).json()["conversation"]
    assert client.delete(f"/api/conversations/{conversation}/").status_code == 204
    assert [str(pk) for pk in Attachment.objects.values_list("pk", flat=True)] == [kept]


def test_attachments_are_deleted_with_their_user(client: Client, bob: Client, upload: Upload, user: User) -> None:
    bobs = bob.post(URL, {"file": file()}).json()["id"]
    upload()
    ask(client, upload())
    accounts.delete(user)
    assert [str(pk) for pk in Attachment.objects.values_list("pk", flat=True)] == [bobs]


def test_attachments_are_removed_with_an_old_turn(client: Client, upload: Upload) -> None:
    ask(client, upload())
    Run.objects.update(state="succeeded", finished_at=Now() - timedelta(days=40))
    pruning.prune(Rule(rules.kinds()["runs"], "succeeded", 30), for_s=5)
    assert (Message.objects.count(), Attachment.objects.count()) == (0, 0)


def test_what_was_sent_with_no_message_for_a_day_is_removed(
    client: Client, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "STEP", 2)
    sent, young, *old = (upload() for _ in range(5))
    ask(client, sent)
    Attachment.objects.exclude(pk=young).update(created_at=Now() - timedelta(hours=25))
    assert jobs.remove_unsent(SETTINGS) == {"attachments": len(old)}
    assert {str(pk) for pk in Attachment.objects.values_list("pk", flat=True)} == {sent, young}
    assert jobs.remove_unsent(SETTINGS) == {"attachments": 0}
