"""What a request must not say is refused by name: bodies, parameters, forms and paths, by Django's client."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from aiops.people import tokens
from aiops.people.models import User
from tests.integration.conftest import Ask

pytestmark = pytest.mark.django_db


class Api:
    """The API as an administrator's program calls it."""

    def __init__(self, token: str) -> None:
        self._client = Client(headers={"Authorization": f"Bearer {token}"})

    def get(self, path: str) -> HttpResponse:
        return self._client.get(path)

    def post(self, path: str, body: Any = b"", **headers: str) -> HttpResponse:
        """Send bytes as they are, and anything else as JSON."""
        sent = body if isinstance(body, bytes) else json.dumps(body)
        return self._client.post(path, sent, content_type="application/json", headers=headers)

    def upload(self, path: str, **parts: Any) -> HttpResponse:
        return self._client.post(path, parts)


@pytest.fixture
def api(db: None) -> Api:
    return Api(tokens.issue(User.objects.create_superuser("admin", password="correct-horse-battery"), name="test")[1])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": "x", "webhook": "file:///etc/passwd"}, "webhook"),
        ({"message": "x", "force_advanced": True}, "force_advanced"),
        ({"message": " "}, "message"),
        ({"message": 7}, "message"),
        ({"message": "x\u0000"}, "message"),
        ({"message": "x", "on_busy": "explode"}, "on_busy"),
        ({"message": "x", "deadline_s": 3_601}, "deadline_s"),
        ({"message": "x", "temperature": 3}, "temperature"),
        ({"message": "x", "temperature": True}, "temperature"),
        ({"message": "x", "temperature": "0.5"}, "temperature"),
        ({"message": "x", "deadline_s": "9"}, "deadline_s"),
        ({"message": "x", "conversation": "1"}, "conversation"),
        ({"message": "x", "model": "gpt-99"}, "model"),
        ({}, "message"),
    ],
)
def test_a_field_of_a_message_that_cannot_be_taken_is_refused_by_name(
    api: Api, body: dict[str, Any], field: str
) -> None:
    answer = api.post("/api/chat/", body)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert field in answer.json()["errors"]


@pytest.mark.parametrize("path", ["runs/{run}/cancel/", "conversations/{conversation}/clear/", "upkeep/reaper/run/"])
def test_calls_without_fields_refuse_fields(api: Api, ask: Ask, path: str) -> None:
    run = ask(user=User.objects.get(username="admin"))
    path = path.format(run=run.pk, conversation=run.conversation_id)
    answer = api.post(f"/api/{path}", {"force": True})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["force"])


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'"x"',
        b'{"message": NaN}',
        b'{"a": 1, "a": 2}',
        b"\xff",
        b'{"m":' + b"[" * 50 + b"]" * 50 + b"}",
        b"",
    ],
    ids=repr,
)
def test_a_body_that_is_no_json_object_is_refused(api: Api, body: bytes) -> None:
    answer = api.post("/api/chat/", body)
    assert (answer.status_code, answer.json()["code"]) in ((400, "invalid_json"), (400, "invalid"))


@pytest.mark.parametrize("path", ["/api/runs", "/api/chat", "/api/nothing/", "/api/runs/x/"])
def test_wrong_paths_are_problems_and_never_redirects(api: Api, path: str) -> None:
    answer = api.post(path, {}) if path.endswith("chat") else api.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/api/runs/?nonsense=1",
        "/api/conversations/?state=x",
        "/api/runs/?state=lost",
        "/api/runs/?limit=0",
        "/api/runs/?limit=many",
        "/api/runs/?limit=201",
        "/api/runs/?cursor=nonsense",
        "/api/runs/?cursor=cD1hYmM=",
        "/api/conversations/?cursor=cD0A",
    ],
)
def test_unknown_or_impossible_query_parameters_are_refused(api: Api, path: str) -> None:
    assert api.get(path).status_code == 400


def test_too_many_unfinished_runs_are_refused_with_a_time(api: Api, sent: list[str]) -> None:
    first = api.post("/api/chat/", {"message": "x"}).json()
    more = {"message": "y", "conversation": first["conversation"]}
    answers = [api.post("/api/chat/", more) for _ in range(50)]
    assert [answer.status_code for answer in answers] == [202] * 49 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_method_that_a_path_does_not_have_is_a_problem(api: Api) -> None:
    answer = api.post(f"/api/runs/{uuid.uuid4()}/")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


BODIES = {
    "brackets": b"[" * 60_000,
    "braces": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "bad utf-8": b'{"message": "\xc3\x28"}',
    "a byte order mark": b'\xef\xbb\xbf{"message": "x"}',
    "utf-16": '{"message": "x"}'.encode("utf-16"),
    "nul": b'{"message": "\x00"}',
    "escaped nul": b'{"message": "\\u0000"}',
    "nul in a name": b'{"message": "x", "a\\u0000": 1}',
    "half a character": b'{"message": "\\ud800"}',
    "half a character in a name": b'{"message": "x", "\\udfff": 1}',
    "half a character in a choice": b'{"message": "x", "on_busy": "\\ud800"}',
    "half a character deep inside": b'{"message": "x", "on_busy": [{"a": "\\ud800"}]}',
    "a huge whole number": b'{"message": "x", "deadline_s": 1' + b"0" * 4_000 + b"}",
    "a number of too many digits": b'{"message": "x", "deadline_s": 1' + b"0" * 5_000 + b"}",
    "a number beyond floats": b'{"message": "x", "temperature": 1e999}',
    "a whole number beyond floats": b'{"message": "x", "temperature": 1' + b"0" * 400 + b"}",
    "an id that is a number": b'{"message": "x", "conversation": 1}',
    "a name twice": b'{"message": "x", "message": "y"}',
    "a name twice inside": b'{"message": "x", "on_busy": {"a": 1, "a": 2}}',
    "minus signs": b"-" * 60_000,
    "spaces": b" " * 60_000,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_that_is_no_request_is_a_problem_of_the_client(api: Api, body: bytes) -> None:
    answer = api.post("/api/chat/", body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] in ("invalid", "invalid_json")


@pytest.mark.parametrize(("depth", "code"), [(20, "invalid"), (21, "invalid_json"), (900, "invalid_json")])
def test_json_nested_deeper_than_twenty_is_refused(api: Api, depth: int, code: str) -> None:
    body = b'{"message": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    answer = api.post("/api/chat/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/runs/cancel/", b'{"state": "\\ud800"}'),
        ("/api/runs/cancel/", b'{"ids": ["\\ud800"]}'),
        ("/api/tokens/", b'{"name": "x", "scope": "\\ud800"}'),
        ("/api/tokens/", b'{"name": 7}'),
        ("/api/conversations/", b'{"title": "\\ud800"}'),
        ("/api/conversations/", b'{"title": true}'),
        ("/api/upkeep/reaper/run/", b'{"\\ud800": 1}'),
    ],
)
def test_every_call_refuses_text_that_cannot_be_stored(api: Api, path: str, body: bytes) -> None:
    answer = api.post(path, body)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "path",
    ["/api/runs/?cursor=%00", "/api/runs/?state=", "/api/runs/?conversation=", "/api/conversations/?search=%00"],
)
def test_an_empty_or_unreadable_parameter_is_not_taken_for_none(api: Api, path: str) -> None:
    assert api.get(path).status_code == 400


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"every_s": 5}, "every_s"),
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 7 * * *", "timezone": "Mars/Base"}, "timezone"),
        ({"at": "2027-01-01T00:00:00"}, "at"),
        ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
        ({"at": "9999-12-31T23:59:59Z", "jitter_s": 86_400}, "at"),
        ({"every_s": 60, "at": "2099-01-01T00:00:00Z"}, "every_s"),
        ({"every_s": 60, "batch": {"items": []}}, "batch"),
        ({"every_s": 60, "webhook": "https://user@x"}, "webhook"),
        ({"every_s": 60, "task": "os.system"}, "task"),
        ({"every_s": 60, "model": "nobody"}, "model"),
    ],
)
def test_a_field_of_a_schedule_that_makes_no_sense_is_refused_by_name(
    api: Api, fields: dict[str, Any], field: str
) -> None:
    body = {"name": "x", **({} if "batch" in fields else {"message": "hello"}), **fields}
    answer = api.post("/api/schedules/", body)
    assert answer.status_code == 400
    assert field in {name.partition(".")[0] for name in answer.json()["errors"]}, answer.content


@pytest.mark.parametrize(
    ("options", "name", "field"),
    [
        ({"nonsense": 1}, "a.jsonl", "nonsense"),
        ({"webhook": "ftp://x"}, "a.jsonl", "webhook"),
        ({"max_concurrency": 0}, "a.jsonl", "max_concurrency"),
        ({"template": "no column"}, "a.csv", "template"),
        ({}, "a.xlsx", "file"),
    ],
)
def test_an_option_of_a_batch_that_cannot_be_taken_is_refused_by_name(
    api: Api, options: dict[str, Any], name: str, field: str
) -> None:
    answer = api.upload("/api/batches/", file=SimpleUploadedFile(name, b"{}"), options=json.dumps(options))
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
