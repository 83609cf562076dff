"""uvicorn with our protocol: what a client may not do with a connection, with bounds small enough to wait for."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress

import pytest
import uvicorn

from aiops.web.doors.clients import Clients
from aiops.web.doors.connections import Connection
from tests.acceptance.system import eventually
from tests.ports import free_port

PROXY, CLIENT = "127.0.0.1", "127.0.0.2"
"""Both are this machine; only the first is a proxy that uvicorn trusts."""
HELLO = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"


class Small(Connection):
    most = 8
    clients = Clients(most=3)
    most_head_bytes = 4_096
    most_request_bytes = 400_000
    arrival_s = 0.4
    least_bytes_per_s = 1_000
    unread_s = 1.0


async def answer(scope, receive, send) -> None:
    """Answer at once without a look at the body, save ``/read``; ``/big`` is answered with more than a socket holds."""
    while scope["path"] == "/read":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message["more_body"]:
            break
    names = [name for name, _ in scope["headers"]]
    body = b"x" * 30_000_000 if scope["path"] == "/big" else b",".join(names)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def server() -> Iterator[uvicorn.Server]:
    config = uvicorn.Config(answer, http=Small, port=free_port(), lifespan="off", log_level="critical", loop="uvloop")
    made = uvicorn.Server(config)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    eventually(lambda: made.started)
    yield made
    made.should_exit = True
    thread.join(timeout=10)


def connect(server: uvicorn.Server, *, source: str = PROXY, receive_bytes: int = 0) -> socket.socket:
    made = socket.socket()
    if receive_bytes:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    made.bind((source, 0))
    made.settimeout(5)
    made.connect(("127.0.0.1", server.config.port))
    return made


def status(client: socket.socket) -> bytes:
    """Return the status of the answer, nothing when the connection was ended without one."""
    try:
        return client.recv(65_536)[9:12]
    except ConnectionError:
        return b""


def asked(client: socket.socket) -> bytes:
    """Ask, and return the status; nothing when the connection was ended before."""
    with suppress(ConnectionError):
        client.sendall(HELLO)
    return status(client)


def is_quiet(server: uvicorn.Server) -> bool:
    return not server.server_state.connections


@pytest.mark.parametrize("begun", [b"", b"\r\n", b"GET / HTTP/1.1\r\nX: a", HELLO[:-1]], ids=repr)
def test_a_request_that_does_not_arrive_is_ended(server: uvicorn.Server, begun: bytes) -> None:
    with closing(connect(server)) as client:
        client.sendall(begun)
        while client.recv(65_536):
            pass
    eventually(lambda: is_quiet(server), within_s=2)


def test_dripping_bytes_win_no_time(server: uvicorn.Server) -> None:
    with closing(connect(server)) as client:
        client.sendall(HELLO)
        assert status(client) == b"200"
        client.settimeout(0.05)
        client.sendall(b"GET / HTTP/1.1\r\n")

        def ended() -> bool:
            try:
                client.sendall(b"X: a\r\n")
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(ended, within_s=2)


def post(client: socket.socket, length: int) -> None:
    client.sendall(f"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
    client.settimeout(0.05)


def is_silent(client: socket.socket) -> bool:
    """Wait a moment for an answer; whether none came and the connection lives."""
    try:
        return client.recv(1, socket.MSG_PEEK) == b"never"
    except TimeoutError:
        return True


def test_a_slow_but_steady_body_has_the_time_it_needs(server: uvicorn.Server) -> None:
    begun = time.monotonic()
    with closing(connect(server)) as client:
        post(client, 100_000)
        sent = 0
        while time.monotonic() - begun < 4 * Small.arrival_s or sent < 90_000:
            client.sendall(b"x" * 2_000)
            sent += 2_000
            assert is_silent(client), sent
            assert sent < 100_000
        client.sendall(b"x" * (100_000 - sent))
        client.settimeout(5)
        assert status(client) == b"200"


def test_a_body_that_drips_is_ended_with_the_reason(server: uvicorn.Server) -> None:
    with closing(connect(server)) as client:
        post(client, 100_000)
        sent = 0
        while is_silent(client):
            client.sendall(b"x")
            sent += 1
            assert sent < Small.least_bytes_per_s
        answer = client.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
    eventually(lambda: is_quiet(server), within_s=2)


def test_an_answer_that_nobody_reads_wins_no_time(server: uvicorn.Server) -> None:
    with closing(connect(server)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 390000\r\n\r\n")
        assert status(client) == b"200"
        client.settimeout(0.05)

        def ended() -> bool:
            try:
                client.sendall(b"x" * 100)
                return client.recv(1) == b""
            except TimeoutError:
                return False
            except ConnectionError:
                return True

        eventually(ended, within_s=5)


def test_a_connection_is_used_again_and_again(server: uvicorn.Server) -> None:
    with closing(connect(server)) as client:
        for _ in range(3):
            client.sendall(HELLO)
            assert status(client) == b"200"


def test_a_head_is_bounded_whether_it_ends_or_not(server: uvicorn.Server) -> None:
    for head in (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 4_000 + b"\r\n"):
        with closing(connect(server)) as client:
            client.sendall(head)
            answer = client.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 431 ")
            assert b"application/problem+json" in answer


def test_a_body_that_nobody_reads_is_cut(server: uvicorn.Server) -> None:
    with closing(connect(server)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        assert status(client) == b"200"
        with pytest.raises(ConnectionError):
            client.sendall(b"x" * 99_000_000)


def test_headers_after_a_chunked_body_are_ignored(server: uvicorn.Server) -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nAuthorization: y\r\n\r\n"
    with closing(connect(server)) as client:
        client.sendall(chunked)
        assert client.recv(65_536).endswith(b"host,transfer-encoding")


def test_bytes_that_are_no_http_get_a_problem(server: uvicorn.Server) -> None:
    with closing(connect(server)) as client:
        client.sendall(b"\x16\x03\x01\x00\x01")
        answer = client.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"invalid_http" in answer


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends what is not taken")
def test_an_answer_that_is_never_read_is_given_up(server: uvicorn.Server) -> None:
    with closing(connect(server, receive_bytes=4_096)) as client:
        client.sendall(HELLO.replace(b"POST /", b"POST /big"))
        eventually(lambda: not is_quiet(server))
        eventually(lambda: is_quiet(server), within_s=8)


def test_a_side_that_is_gone_without_a_word_is_asked_for_and_ended(server: uvicorn.Server) -> None:
    with closing(connect(server)):
        (ours,) = eventually(lambda: list(server.server_state.connections))
        end = ours.transport.get_extra_info("socket")
        eventually(lambda: end.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1)  # set after it was registered
        eventually(lambda: end.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1)


def test_one_address_has_few_connections_and_a_proxy_more(server: uvicorn.Server) -> None:
    eventually(lambda: is_quiet(server))
    with ExitStack() as stack:
        mine = [stack.enter_context(closing(connect(server, source=CLIENT))) for _ in range(4)]
        assert [asked(client) for client in mine] == [b"200", b"200", b"200", b""]
        proxied = [stack.enter_context(closing(connect(server))) for _ in range(6)]
        assert [asked(client) for client in proxied] == [*[b"200"] * 5, b""]
    eventually(lambda: is_quiet(server) and not Small.clients, within_s=2)


def test_the_web_process_raises_its_own_limit_of_open_files() -> None:
    code = "import resource, config.asgi; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    command = ["sh", "-c", f"ulimit -S -n 256; exec {sys.executable} -c '{code}'"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) > 256, done.stderr
