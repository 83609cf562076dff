"""Bodies and heads that are too large: each is refused with a problem, and costs no memory."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import httpx
import pytest

from tests.acceptance.system import System, eventually

HUGE = 100_000_000
MOST_GROWTH = 20_000_000
MOST_OF_A_FILE = 52_428_800


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
    ids=["honest", "chunked", "more than declared", "both", "two", "negative", "astronomic"],
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


def test_a_file_of_50_mib_arrives_whole_and_does_not_stay_in_memory(system: System, client: httpx.Client) -> None:
    line = json.dumps({"prompt": "x" * 30_000, "unknown": 1}) + "\n"  # not valid, so none of it is run
    lines = (line * (MOST_OF_A_FILE // len(line) + 1))[: MOST_OF_A_FILE - 1] + "\n"
    before = memory(system)
    answer = client.post("/api/batches/", files={"file": ("large.jsonl", lines)})
    assert answer.status_code == 202, answer.text
    assert memory(system) - before < MOST_GROWTH
    here = f"/api/batches/{answer.json()['id']}/"
    batch = eventually(lambda: (seen := client.get(here).json())["state"] == "failed" and seen, within_s=60)
    assert batch["counts"]["total"] == batch["counts"]["invalid"] == MOST_OF_A_FILE // len(line) + 1
    assert client.delete(here).status_code == 204


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/api/chat/", 7_000_000),
        ("/api/batches/", MOST_OF_A_FILE + 1),
        ("/api/attachments/", 262_145),
        ("/api/attachments/", 12_000_000),
    ],
)
def test_a_file_that_is_too_large_is_answered_and_not_reset(client: httpx.Client, path: str, size: int) -> None:
    answer = client.post(path, files={"file": ("large.jsonl", b"x" * size)})
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
