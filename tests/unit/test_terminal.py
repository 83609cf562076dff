"""The terminal client survives what servers send, and shows nothing that steers a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aiops.terminal.client import CallFailed, Client
from aiops.terminal.text import printable, step_name

STREAM = (
    'id: 1-1\nevent: run.started\ndata: {"attempt": 1}\n\n'
    ": still here\n\n"
    ": still here\n\n"
    'id: 1-2\nevent: run.succeeded\ndata: {"usage": null}\n\n'
)


class StubServer(BaseHTTPRequestHandler):
    """Sends one stream with the comments that keep a connection open."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(STREAM.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), StubServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_comments_of_a_quiet_stream_are_no_events(url: str) -> None:
    assert [event.type for event in Client(url, "x").events("run")] == ["run.started", "run.succeeded"]


def test_what_is_no_address_is_told() -> None:
    with pytest.raises(CallFailed, match="is no address"):
        Client("http://[::1", "x")


def test_an_answer_cannot_steer_a_terminal() -> None:
    assert printable("\x1b[31mred\x1b[0m \x9b2Jü\n\tok\x07") == "[31mred[0m 2Jü\n\tok"
    assert step_name({"server": "", "tool": "x\x1b"}) == "x"
