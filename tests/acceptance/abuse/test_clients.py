"""Clients that take their time: thousands that never read, drip or say nothing hold nobody else up, and are ended."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from functools import partial

import psutil
import pytest

from aiops import keyspace
from aiops.web.doors.connections import Connection
from tests.acceptance.system import System, eventually
from tests.patience import Patience

READERS = 2_000
AT_A_TIME = 50
SILENT = 100
PROMPT_S = 8.0
WHILE_IT_IS_SAID = 20


@pytest.fixture
def crowd() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def connect(system: System, said: bytes) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    made.settimeout(30)
    made.connect(("127.0.0.1", system.port))
    made.sendall(said)
    return made


def open_connections(system: System) -> int:
    (web,) = system.processes("uvicorn")
    return sum(c.status == "ESTABLISHED" and c.laddr.port == system.port for c in web.net_connections("tcp"))


def assert_prompt(system: System) -> None:
    """Ask as people do, and see that nothing waits."""
    with system.client() as client:
        for path in ("/health/live", "/api/runs/?limit=1"):
            patience = Patience(PROMPT_S)
            assert client.get(path).status_code == 200
            assert not patience.is_over(), path


def is_ended(client: socket.socket) -> bool:
    """Whether the other side has closed the connection; that it said something is a failure."""
    client.setblocking(False)
    try:
        said = client.recv(1)
    except BlockingIOError:
        return False
    assert said == b""
    return True


@pytest.fixture
def workers(usual: System) -> Iterator[list[psutil.Process]]:
    """The run workers, suspended: a question stays open for as long as it takes to connect thousands to it."""
    key = keyspace.workers("runs")

    def all_have_started() -> list[psutil.Process]:
        """One that is suspended while it starts would give up."""
        found = usual.processes("-Q runs")
        alive = usual.redis().zcount(key, time.time() - keyspace.SILENT_S, "+inf")
        return found if len(found) <= alive else []

    found = eventually(all_have_started, within_s=30, what="all run workers")
    for worker in found:
        worker.suspend()
    yield found
    for worker in found:
        with contextlib.suppress(psutil.NoSuchProcess):  # one that was silent for too long has been replaced
            worker.resume()


def test_thousands_who_do_not_read_and_hundreds_who_drip_hold_nobody_up(
    usual: System, crowd: ExitStack, workers: list[psutil.Process]
) -> None:
    head = f"Host: 127.0.0.1:{usual.port}\r\nAuthorization: Bearer {usual.token}\r\n"
    begun = (b"", b"GET / HTTP/1.1\r\nX: a", f"POST /api/chat/ HTTP/1.1\r\n{head}Content-Length: 9\r\n\r\n".encode())
    silent = [crowd.enter_context(closing(connect(usual, said))) for said in begun for _ in range(SILENT)]
    late = time.monotonic() + Connection.arrival_s
    run_id = usual.ask("slowly", {"words": 50, "pause": 1})["run"]["id"]
    watch = f"GET /api/runs/{run_id}/events HTTP/1.1\r\n{head}\r\n".encode()
    for _ in range(READERS // AT_A_TIME):
        for _ in range(AT_A_TIME):
            crowd.enter_context(closing(connect(usual, watch)))
        assert_prompt(usual)
    assert open_connections(usual) >= READERS
    for worker in workers:
        worker.resume()
    usual.until(run_id, "message.delta")
    for _ in range(WHILE_IT_IS_SAID):
        assert_prompt(usual)
    for client in silent:
        eventually(partial(is_ended, client), within_s=max(late - time.monotonic(), 0) + 10, what="a silent one's end")
    with usual.client() as client:
        assert client.post(f"/api/runs/{run_id}/cancel/").status_code == 202
    eventually(lambda: open_connections(usual) < 100, within_s=20, what="the readers' end")
