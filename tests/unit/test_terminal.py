"""The terminal client survives what servers send, and shows nothing that steers a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, cast

import pytest

from aiops.batches.cli.watching import summary
from aiops.terminal.client import CallFailed, Client, _sentence
from aiops.terminal.text import printable, step_name

STREAM = (
    'id: 1-1\nevent: run.started\ndata: {"attempt": 1}\n\n'
    ": still here\n\n"
    ": still here\n\n"
    'id: 1-2\nevent: run.succeeded\ndata: {"usage": null}\n\n'
)


class StubServer(BaseHTTPRequestHandler):
    """Sends one stream with the comments that keep a connection open, after the refusals that a test wants."""

    refusals: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        if self.refusals:
            self.send_response(self.refusals.pop())
            self.end_headers()
            return
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


def test_a_stream_outlasts_a_proxy_without_a_web_process(url: str) -> None:
    StubServer.refusals[:] = [502, 503, 504]
    seen = [event.type for event in Client(url, "x").events("run")]
    assert seen == [Client.CONNECTION_LOST, "run.started", "run.succeeded"]
    assert not StubServer.refusals


def test_a_stream_that_is_refused_ends_at_once(url: str) -> None:
    StubServer.refusals[:] = [404]
    with pytest.raises(CallFailed, match="answered 404"):
        list(Client(url, "x").events("run"))
    assert not StubServer.refusals


def test_a_stream_gives_up_in_the_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiops.terminal.client.RECONNECTS", 2)
    StubServer.refusals[:] = [502] * 3
    with pytest.raises(CallFailed, match=r"answered 502.*The run continues: aiops runs follow run"):
        list(Client(url, "x").events("run"))
    assert not StubServer.refusals


def test_a_text_that_is_no_url_is_refused() -> None:
    with pytest.raises(CallFailed, match="is not a URL"):
        Client("http://[::1", "x")


def test_an_answer_cannot_steer_a_terminal() -> None:
    assert printable("\x1b[31mred\x1b[0m \x9b2Jü\n\tok\x07") == "[31mred[0m 2Jü\n\tok"
    assert step_name({"server": "", "tool": "x\x1b"}) == "x"


def test_a_reason_that_several_fields_share_is_said_once() -> None:
    why = ["Give one of every_s, cron and at."]
    said = _sentence("When is it due?", {"every_s": why, "cron": why, "at": why})
    assert said == "When is it due? every_s, cron, at: Give one of every_s, cron and at."


def test_the_terminal_names_a_wrong_field_once() -> None:
    assert _sentence("Correct message.", {"message": ["It is blank."]}) == "message: It is blank."
    assert _sentence("The file is empty.", {}) == "The file is empty."


class InvalidLines:
    """A client of a batch whose lines are all invalid, for three kinds of reasons and one more."""

    def get(self, path: str, **params: object) -> dict[str, list[dict[str, object]]]:
        assert (path, params["state"]) == ("/api/batches/b/items/", "invalid")
        reasons = [
            "It is not JSON.",
            "It is not JSON.",
            "There is no such field: x.",
            "\x1b[2JIt is blank.",
            "Another.",
        ]
        return {"results": [{"number": n, "error": {"detail": why}} for n, why in enumerate(reasons, start=1)]}


def test_a_batch_without_a_valid_line_says_the_first_reasons_each_once() -> None:
    batch = {"id": "b", "state": "failed", "counts": {"invalid": 5}, "error": {"detail": "No line is valid."}}
    assert summary(cast(Client, InvalidLines()), batch).splitlines() == [
        "The batch failed: No line is valid.",
        "  line 1: It is not JSON.",
        "  line 3: There is no such field: x.",
        "  line 4: [2JIt is blank.",
        "All of them: aiops batch results b --errors",
    ]
