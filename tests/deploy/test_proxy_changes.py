"""No proxy makes a change twice, whatever becomes of the web process that got it."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.acceptance.system import eventually
from tests.deploy.asking import connect
from tests.deploy.conftest import PROBLEM, Installation, started
from tests.deploy.restarting import Restarting
from tests.deploy.vanishing import Vanishing
from tests.servers.proxies import PROXIES, HAProxy, Proxy


@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_a_body_passes_through_as_it_arrives(kind: type[Proxy], certificates: Path, tmp_path: Path) -> None:
    begun = threading.Event()
    backends = [Vanishing(begun), Vanishing(begun)]
    part = b"x" * 100_000
    for proxy in started(kind(tmp_path, webs=[one.address for one in backends], certificates=certificates)):
        with connect(proxy) as client:
            head = f"POST /api/batches/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(part) * 5}\r\n\r\n"
            client.sendall(head.encode() + part)
            assert begun.wait(timeout=30), "the backend gets nothing before the body is whole"
            client.sendall(part * 4)
            assert client.recv(65_536).startswith(b"HTTP/1.1 502")
    for one in backends:
        one.close()


@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_a_web_process_is_used_soon_after_it_is_back(kind: type[Proxy], certificates: Path, tmp_path: Path) -> None:
    # nginx's default is ten seconds on any machine; of three attempts, a crowded one does one in time
    assert any(_left_out_s(kind, certificates, tmp_path / str(attempt)) < 8 for attempt in range(3))


def _left_out_s(kind: type[Proxy], certificates: Path, folder: Path) -> float:
    """Return how long one web process stays unused when it is back at once, and then the other is away."""
    folder.mkdir()
    first, second = Restarting(), Restarting()
    for proxy in started(kind(folder, webs=[first.address, second.address], certificates=certificates)):
        with proxy.client() as client:
            first.stop()
            began = time.monotonic()
            for _ in range(20):
                assert client.get("/").status_code == 200
            first.start()
            second.stop()
            eventually(lambda: client.get("/").status_code == 200, within_s=15, what="the first web process")
            away_s = time.monotonic() - began
    first.stop()
    return away_s


@pytest.mark.parametrize("reused", [False, True], ids=["new connection", "kept connection"])
@pytest.mark.parametrize("kind", PROXIES, ids=lambda kind: kind.name)
def test_a_change_that_was_begun_is_not_sent_again(
    kind: type[Proxy], reused: bool, certificates: Path, tmp_path: Path
) -> None:
    backends = [Vanishing(), Vanishing()]
    webs = [one.address for one in backends]
    for proxy in started(kind(tmp_path, webs=webs, certificates=certificates)):
        for headers in ({}, {"Idempotency-Key": "one"}):
            with proxy.client() as client:
                if reused:
                    assert client.get("/").status_code == 200
                try:
                    answer = client.post("/api/chat/", json={"message": "hello"}, headers=headers)
                except httpx.RemoteProtocolError:
                    assert reused, "a first request is always answered"
                    assert kind is HAProxy, "others answer every request"
                else:
                    assert answer.status_code == 502, answer.text
                    assert (answer.headers["content-type"], answer.json()["code"]) == (PROBLEM, "unavailable")
            assert [change for one in backends for change in one.changes] == ["POST"]
            for one in backends:
                one.changes.clear()
    for one in backends:
        one.close()


def test_web_processes_that_restart_make_nothing_twice(
    proxy: Proxy, installation: Installation, token: dict[str, str]
) -> None:
    name, stop = uuid.uuid4().hex, threading.Event()
    accepted: set[str] = set()

    def post(number: int) -> int:
        n = 0
        with proxy.client(headers=token) as client:
            while not stop.is_set():
                n += 1
                message = f"{name} {number}-{n}"
                with suppress(httpx.TransportError):
                    if client.post("/api/chat/", json={"message": message}).status_code == 202:
                        accepted.add(message)
        return n

    def go_on(what: str) -> None:
        """Wait until some more requests were accepted."""
        before = len(accepted)
        eventually(lambda: len(accepted) > before + 8, within_s=60, what=what)

    with ThreadPoolExecutor() as threads:
        posting = [threads.submit(post, number) for number in range(4)]
        try:
            for _ in range(3):
                go_on("requests to both")
                installation.second.kill()
                go_on("requests without the second")
                installation.second.start()
                webs = installation.system.processes("uvicorn")
                for web in webs:
                    web.terminate()
                assert psutil.wait_procs(webs, timeout=60)[1] == []
                go_on("requests without the first")
                eventually(installation.system.is_ready, within_s=60, what="the first web process")
        finally:
            stop.set()
        posts = sum(thread.result() for thread in posting)
    rows = installation.system.rows("SELECT text FROM conversations_message WHERE text LIKE ?", f"{name}%")
    made = Counter(text for (text,) in rows)
    assert set(made.values()) == {1}
    assert accepted <= set(made)
    assert len(accepted) <= len(made) <= posts
