"""Bodies and heads that are too large, too deep or no text: each is refused with a problem, and costs no memory."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import httpx
import pytest

from tests.acceptance.system import System

HUGE = 100_000_000
MOST_GROWTH = 20_000_000
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def memory(system: System) -> int:
    (web,) = system.processes("uvicorn")
    return web.memory_info().rss


def send(system: System, head: str, body: Iterator[bytes]) -> tuple[int, dict]:
    """Send until the other side has had enough, and return (status, problem)."""
    start = f"POST /api/chat/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {system.token}\r\n{head}\r\n"
    with closing(socket.create_connection(("127.0.0.1", system.port), timeout=20)) as client:
        client.sendall(start.encode())
        client.settimeout(0.2)  # an answer may come before the body is taken, which then is never taken
        with suppress(OSError):
            for piece in body:
                client.sendall(piece)
        client.settimeout(20)
        answer = b""
        with suppress(ConnectionError):
            while piece := client.recv(65_536):
                answer += piece
    first, _, rest = answer.partition(b"\r\n")
    return int(first.split()[1]), json.loads(rest.rpartition(b"\r\n\r\n")[2])


def pieces(total: int, *, chunked: bool = False) -> Iterator[bytes]:
    for _ in range(total // 100_000):
        yield (b"186a0\r\n" if chunked else b"") + b"x" * 100_000 + (b"\r\n" if chunked else b"")


def test_a_body_of_100_mb_is_refused_before_it_is_read(system: System) -> None:
    status, problem = send(system, f"Content-Length: {HUGE}\r\n", iter(()))
    assert (status, problem["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("head", "chunked", "refusal"),
    [
        (f"Content-Length: {HUGE}\r\n", False, "body_too_large"),
        ("Transfer-Encoding: chunked\r\n", True, "body_too_large"),
        ("Content-Length: 10\r\nContent-Type: application/json\r\nConnection: close\r\n", False, "head_too_large"),
        ("Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", True, "invalid_http"),
        (f"Content-Length: 10\r\nContent-Length: {HUGE}\r\n", False, "invalid_http"),
        ("Content-Length: -1\r\n", False, "invalid_http"),
        ("Content-Length: 99999999999999999999999\r\n", False, "invalid_http"),
    ],
    ids=["honest", "chunked", "more than told", "both", "two", "negative", "astronomic"],
)
def test_100_mb_do_not_stay_in_memory(system: System, head: str, chunked: bool, refusal: str) -> None:
    before = memory(system)
    for _ in range(3):
        with suppress(IndexError):  # reset before its answer was read: also a refusal
            _, problem = send(system, head, pieces(HUGE, chunked=chunked))
            assert problem["code"] == refusal
    assert memory(system) - before < MOST_GROWTH


def test_a_head_of_100_mb_does_not_stay_in_memory(system: System) -> None:
    before = memory(system)
    with suppress(IndexError):
        status, problem = send(system, "X: a", pieces(HUGE))
        assert (status, problem["code"]) == (431, "head_too_large")
    assert memory(system) - before < MOST_GROWTH


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
def test_what_is_no_request_is_a_problem_of_the_asker(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/api/chat/", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["code"] in ("invalid", "invalid_json")


@pytest.mark.parametrize(("depth", "code"), [(20, "invalid"), (21, "invalid_json"), (900, "invalid_json")])
def test_nesting_ends_at_twenty(client: httpx.Client, depth: int, code: str) -> None:
    body = b'{"message": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"
    answer = client.post("/api/chat/", content=body, headers=JSON)
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
def test_no_other_call_is_easier_to_upset(client: httpx.Client, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@pytest.mark.parametrize(
    "path",
    ["/api/runs/?cursor=%00", "/api/runs/?state=", "/api/runs/?conversation=", "/api/conversations/?search=%00"],
)
def test_an_empty_or_unreadable_parameter_is_not_taken_for_none(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 400
