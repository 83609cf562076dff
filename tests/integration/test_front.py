"""The front around Django, asked as uvicorn asks it: no path, query or header of a stranger's making is a surprise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import pytest

from aiops.people import tokens
from aiops.people.models import User
from aiops.web.doors import front
from aiops.web.doors.handler import Handler
from tests.integration import hostile_input

PROBLEM = "application/problem+json"
CALLS = list(hostile_input.calls())
pytestmark = pytest.mark.django_db(transaction=True)
Ask = Callable[..., Awaitable["Answer"]]


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    taken: int = 0


@pytest.fixture
def token() -> str:
    return tokens.issue(User.objects.create_superuser("boss"), name="test")[1]


@pytest.fixture
def ask(token: str) -> Ask:
    app = front.make(Handler())

    async def send_one(
        method: str, path: str, *, query: bytes = b"", headers: dict[str, str] | None = None, pieces: int = 1
    ) -> Answer:
        answer = Answer()
        sent_headers = {"host": "localhost", "authorization": f"Bearer {token}", **(headers or {})}

        async def receive() -> Any:
            answer.taken += 1
            return {"type": "http.request", "body": b"x" * 10_000 * (pieces > 1), "more_body": answer.taken < pieces}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            answer.body += message.get("body", b"")

        scope = {
            "type": "http",
            "method": method,
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "scheme": "http",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent_headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        await app(scope, receive, send)
        return answer

    return send_one


@pytest.mark.parametrize("call", [call for call in CALLS if "{" in call.path], ids=str)
async def test_no_segment_of_a_path_leads_past_the_problems(ask: Ask, call: hostile_input.Call) -> None:
    for text in ("x%0A", "%00", "%0A%0D", "%ff", "%ed%a0%80"):
        path = call.path.replace("{id}", text).replace("{name}", text)
        answer = await ask(call.method.upper(), path)
        content = answer.headers.get("content-type", answer.headers.get("Content-Type"))
        assert (answer.status, content) == (404, PROBLEM), path


@pytest.mark.parametrize("path", ["/x%0Ay", "/%0A", "/c/x%0A/"])
async def test_a_line_break_in_a_path_leads_to_our_own_page(ask: Ask, path: str) -> None:
    answer = await ask("GET", path)
    assert answer.status == 404
    assert b"There is nothing here for you" in answer.body


@pytest.mark.parametrize("path", ["/api/runs/", "/api/runs/x/events", "/api/batches/x/results/", "/"])
async def test_a_query_that_is_not_utf_8_is_refused(ask: Ask, path: str) -> None:
    answer = await ask("GET", path, query=b"state=\xff")
    assert 400 <= answer.status < 500


@pytest.mark.parametrize("value", hostile_input.HEADER_VALUES)
@pytest.mark.parametrize("path", ["/api/runs/{id}/events", "/api/runs/{id}/", "/api/batches/{id}/events/", "/"])
async def test_no_header_upsets_a_door(ask: Ask, path: str, value: str) -> None:
    path = path.replace("{id}", "0" * 32)
    as_cookie = {"cookie": f'aiops_session="{value}"', "authorization": ""}
    for headers in (
        {"last-event-id": value},
        {"authorization": f"Bearer {value}"},
        as_cookie,
        {"idempotency-key": value},
    ):
        answer = await ask("GET", path, query=b"wait=1" if path.endswith("0/") else b"", headers=headers)
        assert answer.status < 500, headers


async def test_too_much_without_a_length_is_refused_and_taken_to_its_end(ask: Ask) -> None:
    for path, pieces in (("/api/chat/", 10), ("/nothing/", 10), ("/api/batches/", 5_300)):
        answer = await ask("POST", path, headers={"transfer-encoding": "chunked"}, pieces=pieces)
        assert (answer.status, answer.headers["content-type"], answer.taken) == (413, PROBLEM, pieces)


async def test_only_who_is_signed_in_sends_a_file(ask: Ask) -> None:
    headers = {"authorization": "", "content-length": "70000"}
    assert (await ask("POST", "/api/batches/", headers=headers)).status == 401
    assert (await ask("POST", "/api/chat/", headers=headers)).status == 413
