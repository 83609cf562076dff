"""Bodies at a running uvicorn within our bounds: large ones where files are taken, and 413 for all that is more."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, ClassVar

import httpx
import pytest
import uvicorn

from aiops.errors import Unauthenticated
from aiops.web.doors.connections import Connection
from aiops.web.doors.limits import DISCARD_S, Limits
from config.local.valkey import free_port
from tests.acceptance.system import eventually

USUAL, LARGE = 65_536, 5_000_000
MORE_THAN_SOCKETS_HOLD = 12_000_000
PROBLEM = "application/problem+json"


class App:
    """Reads the whole body and answers with its length; ``held`` is the most it ever had at once."""

    held: ClassVar[int] = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        got = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            piece = message.get("body", b"")
            got += len(piece)
            App.held = max(App.held, len(piece))
            if not message.get("more_body"):
                break
        body = str(got).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


async def admit(scope: Any) -> None:
    if (b"x-who", b"nobody") in scope["headers"]:
        raise Unauthenticated("Sign in.")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    app = Limits(App(), max_body_bytes=USUAL, of_path={"/files/": LARGE}, admit=admit)
    config = uvicorn.Config(app, http=Connection, port=free_port(), lifespan="off", log_level="critical", loop="uvloop")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started)
    yield f"http://127.0.0.1:{config.port}"
    server.should_exit = True
    thread.join(timeout=10)


def post(
    url: str, path: str, size: int, *, chunked: bool, headers: dict[str, str] | None = None
) -> tuple[int, str, str]:
    """Send a body whole before the answer is looked at, as many clients do."""
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)) as client:
        pieces = (b"x" * 100_000 for _ in range(0, size, 100_000))
        body: Any = pieces if chunked else b"x" * size
        client.request("POST", path, body, headers or {}, encode_chunked=chunked)
        answer = client.getresponse()
        return answer.status, answer.headers["content-type"] or "", answer.read().decode()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_arrives_where_files_are_taken(url: str, chunked: bool) -> None:
    assert post(url, "/files/", LARGE, chunked=chunked)[::2] == (200, str(LARGE))
    assert App.held < 1_000_000


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("path", "size"), [("/", MORE_THAN_SOCKETS_HOLD), ("/files/", LARGE + MORE_THAN_SOCKETS_HOLD)])
def test_too_much_is_answered_and_never_reset(url: str, path: str, size: int, chunked: bool) -> None:
    status, kind, body = post(url, path, size, chunked=chunked)
    assert (status, kind) == (413, PROBLEM)
    assert "body_too_large" in body


def test_a_refused_body_that_has_arrived_is_not_waited_for(url: str) -> None:
    pieces = (b"x" * size for size in (USUAL, 1))
    begun = time.monotonic()
    assert httpx.post(url, content=pieces, timeout=DISCARD_S).status_code == 413
    assert time.monotonic() - begun < DISCARD_S / 2


def test_the_rest_of_a_refused_body_is_not_waited_for_in_silence(url: str) -> None:
    with closing(socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=DISCARD_S / 2)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\nx")
        answer = b""
        while piece := client.recv(65_536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_stranger_sends_no_large_body(url: str) -> None:
    stranger = {"X-Who": "nobody"}
    status, kind, _ = post(url, "/files/", LARGE, chunked=False, headers=stranger)
    assert (status, kind) == (401, PROBLEM)
    assert httpx.post(f"{url}/files/", content=b"x" * USUAL, headers=stranger).status_code == 200


def test_a_client_that_expects_100_continue_is_refused_before_sending(url: str) -> None:
    with closing(http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)) as client:
        client.putrequest("POST", "/")
        client.putheader("Content-Length", str(MORE_THAN_SOCKETS_HOLD))
        client.putheader("Expect", "100-continue")
        client.endheaders()
        assert client.getresponse().status == 413
