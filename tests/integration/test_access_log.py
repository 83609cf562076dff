"""The access log has one line for each request, whoever answers it, and no line has what people type."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from django.test import Client

from aiops.people import tokens
from aiops.people.models import User
from aiops.web.doors import front
from aiops.web.doors.access import AccessLog
from aiops.web.doors.handler import Handler

ADDRESS = "192.0.2.7"
pytestmark = pytest.mark.django_db(transaction=True)


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.msg for record in caplog.records if record.name == "aiops.web.doors.access"]


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password="correct-horse-battery")


@pytest.fixture
def token(ann: User) -> str:
    return tokens.issue(ann, name="test")[1]


@pytest.fixture
def cookies(ann: User) -> dict[str, str]:
    signed_in = Client()
    signed_in.force_login(ann)
    return {"aiops_session": signed_in.cookies["aiops_session"].value}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(front.make(Handler()), client=(ADDRESS, 1), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as made:
        yield made


async def test_a_line_says_who_asked_for_what_and_what_came_back(
    client: httpx.AsyncClient, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await client.get("/api/runs/?search=a-secret", headers={"Authorization": f"Bearer {token}"})
    (line,) = lines(caplog)
    assert {key: line[key] for key in ("action", "level", "address", "user", "method", "path", "status", "bytes")} == {
        "action": "request.ended",
        "level": "info",
        "address": ADDRESS,
        "user": "ann",
        "method": "GET",
        "path": "/api/runs/",
        "status": answer.status_code,
        "bytes": len(answer.content),
    }
    assert 0 < line["ms"] < 60_000
    assert "a-secret" not in str(line)
    assert token not in str(line)


async def test_a_page_names_the_user_of_its_session(
    client: httpx.AsyncClient, cookies: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    client.cookies.update(cookies)
    assert (await client.get("/runbook/")).status_code == 200
    assert [(line["user"], line["path"]) for line in lines(caplog)] == [("ann", "/runbook/")]


async def test_a_stream_names_its_user(client: httpx.AsyncClient, token: str, caplog: pytest.LogCaptureFixture) -> None:
    path = "/api/runs/00000000-0000-7000-8000-000000000000/events"
    answer = await client.get(path, headers={"Authorization": f"Bearer {token}"})
    assert [(line["user"], line["path"], line["status"]) for line in lines(caplog)] == [("ann", path, 404)]
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/api/runs/", {"Authorization": "Bearer aiops_wrong"}, 401),
        ("/api/runs/", {"Host": "elsewhere.example"}, 400),
        ("/api/chat/", {"Content-Length": "99999999"}, 413),
        ("/sign-in/", {}, 200),
    ],
)
async def test_a_caller_who_is_not_known_has_no_name(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str], status: int
) -> None:
    await client.get(path, headers=headers)
    assert [(line["user"], line["status"]) for line in lines(caplog)] == [("", status)]


async def test_health_checks_scrapes_and_files_are_written_for_debugging_only(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    for path in ("/health/live", "/metrics", "/static/web/icon.svg", "/favicon.ico"):
        await client.get(path)
    assert lines(caplog) == []
    with caplog.at_level(logging.DEBUG):
        await client.get("/health/live")
    assert [(line["path"], line["level"]) for line in lines(caplog)] == [("/health/live", "debug")]


async def stream(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for piece in (b"one", b"three"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.sleep(0)
    if scope["path"] == "/breaks":
        raise RuntimeError("broken")


async def breaks_at_once(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("broken")


async def leaves(scope: Any, receive: Any, send: Any) -> None:
    return


@pytest.mark.parametrize(
    ("app", "path", "status", "sent_bytes"),
    [(stream, "/", 200, 8), (stream, "/breaks", 200, 8), (breaks_at_once, "/", 500, 0), (leaves, "/", None, 0)],
)
async def test_one_line_is_written_at_the_end_however_it_comes(
    caplog: pytest.LogCaptureFixture, app: Any, path: str, status: int | None, sent_bytes: int
) -> None:
    seen: list[int] = []

    async def send(message: Any) -> None:
        seen.append(len(lines(caplog)))

    try:
        await AccessLog(app)({"type": "http", "method": "GET", "path": path}, None, send)  # type: ignore[arg-type]
    except RuntimeError as error:
        assert str(error) == "broken"  # noqa: PT017  (not every case raises)
    assert set(seen) <= {0}
    assert [(line["status"], line["bytes"]) for line in lines(caplog)] == [(status, sent_bytes)]


PROGRAM = """
import logging, warnings
import config.settings
from uvicorn import Config
from aiops import log
Config("x:y", log_level="info")
log.take_over("uvicorn")
logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
warnings.warn("old")
"""


def test_lines_of_uvicorn_and_warnings_of_python_are_json() -> None:
    done = subprocess.run([sys.executable, "-W", "always", "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    written = [json.loads(line) for line in (done.stdout + done.stderr).splitlines()]
    assert [line["logger"] for line in written] == ["uvicorn.error", "py.warnings"]
    assert written[0]["action"] == "Invalid HTTP request received."
