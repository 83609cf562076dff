"""``aiops chat`` with real pipes: what is piped in is attached, within limits, and never waited for in silence."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import threading
import uuid
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from aiops.attachments.limits import MAX_BYTES
from tests.acceptance.system import BIN, eventually, exit_code

EVENTS = 'id: 1-1\nevent: message.completed\ndata: {"text": "ok"}\n\nid: 1-2\nevent: run.succeeded\ndata: {}\n\n'
WAITING = "aiops: nothing has come from standard input: waiting for its end. --no-stdin skips it.\n"


class Stub(BaseHTTPRequestHandler):
    """Takes attachments and messages, and answers each with ok."""

    posted: ClassVar[list[tuple[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        if kind.startswith("multipart/"):
            (part,) = BytesParser().parsebytes(b"Content-Type: " + kind.encode() + b"\n\n" + body).get_payload()
            assert isinstance(part, Message)
            self.posted.append((part.get_filename() or "", part.get_payload(decode=True)))
            self._answer({"id": "an-id", "name": "x", "bytes": 1})
        else:
            self.posted.append((self.path, json.loads(body)))
            self._answer({"conversation": "c", "message": "m", "run": {"id": "r"}})

    def do_GET(self) -> None:
        if self.path.endswith("/events"):
            self._send(EVENTS.encode(), "text/event-stream")
        else:
            self._answer({"state": "succeeded"})

    def _answer(self, body: dict[str, Any]) -> None:
        self._send(json.dumps(body).encode(), "application/json")

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Stub.posted.clear()
    yield {
        "PATH": os.environ["PATH"],
        "AIOPS_HOME": str(tmp_path / "home"),
        "AIOPS_URL": f"http://127.0.0.1:{server.server_address[1]}",
        "AIOPS_TOKEN": "aiops_x",
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
    }
    server.shutdown()
    server.server_close()


def chat(env: dict[str, str], *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(BIN / "aiops"), "chat", *arguments], env=env, capture_output=True, timeout=60, cwd="/", **options
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def sent() -> dict[str, Any]:
    """Return the body of the only message."""
    (message,) = [body for path, body in Stub.posted if path == "/api/chat/"]
    return dict(message)


def test_what_is_piped_in_is_attached_to_the_message(env: dict[str, str]) -> None:
    done = chat(env, "what happened?", input=b"eth0 is down\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
    assert Stub.posted == [
        ("stdin", b"eth0 is down\n"),
        ("/api/chat/", {"message": "what happened?", "attachments": ["an-id"]}),
    ]


def test_a_file_is_attached_too_beside_other_options(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes("grün\n".encode("utf-16"))
    conversation = str(uuid.uuid4())
    with (tmp_path / "log").open("rb") as log:
        done = chat(env, "why?", "--json", "--conversation", conversation, stdin=log)
    assert json.loads(done.stdout) == {"state": "succeeded"}
    assert Stub.posted[0] == ("stdin", "grün\n".encode("utf-16"))
    assert sent() == {"message": "why?", "conversation": conversation, "attachments": ["an-id"]}


def test_of_more_than_an_attachment_may_have_the_end_is_attached_and_the_rest_is_named(env: dict[str, str]) -> None:
    lines = b"".join(b"line %07d\n" % number for number in range(50_000))
    done = chat(env, "what happened?", input=lines)
    name, content = Stub.posted[0]
    assert name == "stdin"
    assert MAX_BYTES - 20 < len(content) <= MAX_BYTES
    assert lines.endswith(content)
    assert content.startswith(b"line ")
    assert done.stderr == (
        f"aiops: standard input has 650,000 bytes, more than an attachment may have: only its last {len(content):,} "
        "are attached.\n"
    )


@pytest.mark.parametrize("options", [{"stdin": subprocess.DEVNULL}, {"input": b""}], ids=["null", "pipe"])
def test_an_empty_input_is_no_attachment(env: dict[str, str], options: dict[str, Any]) -> None:
    done = chat(env, "hello", **options)
    assert (done.returncode, done.stderr) == (0, "")
    assert sent() == {"message": "hello"}


@pytest.mark.parametrize("redirection", ["<&-", "0>/dev/null"], ids=["closed", "as nohup does"])
def test_an_input_that_cannot_be_read_is_none(env: dict[str, str], redirection: str) -> None:
    script = f"{BIN / 'aiops'} chat hello {redirection}"
    done = subprocess.run(["sh", "-c", script], env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")
    assert sent() == {"message": "hello"}


def test_a_pipe_in_which_nothing_comes_is_waited_for_with_one_line(env: dict[str, str]) -> None:
    asking = subprocess.Popen(
        [str(BIN / "aiops"), "chat", "what happened?"],
        env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert asking.stdin is not None
    assert asking.stdout is not None
    assert asking.stderr is not None
    assert asking.stderr.readline().decode() == WAITING
    asking.stdin.write(b"late\n")
    asking.stdin.close()
    assert (asking.stdout.read(), asking.stderr.read()) == (b"ok\n", b"")
    assert exit_code(asking) == 0
    assert Stub.posted[0] == ("stdin", b"late\n")
    asking.stdout.close()
    asking.stderr.close()


@pytest.mark.parametrize("arguments", [("hello", "--no-stdin"), ("--no-stdin", "hello", "--json")])
def test_no_stdin_leaves_an_open_pipe_alone(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    source, open_end = os.pipe()
    done = chat(env, *arguments, stdin=source)
    os.close(source)
    os.close(open_end)
    assert (done.returncode, done.stderr) == (0, "")
    assert sent() == {"message": "hello"}


def test_a_terminal_is_not_waited_for(env: dict[str, str]) -> None:
    main, side = pty.openpty()
    try:
        done = chat(env, "hello", stdin=side)
        assert (done.returncode, done.stderr) == (0, "")
        assert sent() == {"message": "hello"}
        refused = chat(env, "-", stdin=side)
        assert (refused.returncode, "there is no message" in refused.stderr) == (1, True)
    finally:
        os.close(main)
        os.close(side)


@pytest.mark.parametrize("arguments", [("-",), ()], ids=["dash", "none"])
def test_the_message_itself_may_come_from_standard_input(env: dict[str, str], arguments: tuple[str, ...]) -> None:
    assert chat(env, *arguments, input="  how full are\nthe disks? ü\n".encode()).returncode == 0
    assert Stub.posted == [("/api/chat/", {"message": "how full are\nthe disks? ü"})]


@pytest.mark.parametrize(
    ("arguments", "piped", "reason"),
    [
        (("-",), b"x" * 70_000, "has 70,000 bytes, which is too long: give a question as MESSAGE"),
        (("-",), b" \n", "there is no message"),
        (("-", "--no-stdin"), b"hello", "there is no message"),
        (("--no-stdin",), b"hello", "there is no message"),
        ((" ",), b"a log\n", "there is no message"),
        (("-",), b"a\xff", "standard input cannot be sent. It is not text: byte 2 is not UTF-8"),
        (("what?",), b"\x7fELF\0\0", "standard input cannot be sent. It is not text: it has NUL"),
        (("what?",), b"x" * 300_000 + b"\xff\n", "It is not text: byte 300,001 is not UTF-8"),
        (("what?",), "grün".encode("latin-1"), "`iconv -t UTF-8` converts"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_cure(
    env: dict[str, str], arguments: tuple[str, ...], piped: bytes, reason: str
) -> None:
    done = chat(env, *arguments, input=piped)
    assert (done.returncode, done.stdout, Stub.posted) == (1, "", [])
    assert reason in done.stderr
    assert re.fullmatch(r"aiops: .*\n", done.stderr)


def test_an_interrupted_wait_ends_quietly(env: dict[str, str]) -> None:
    asking = subprocess.Popen(
        [str(BIN / "aiops"), "chat", "x"], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert asking.stderr is not None
    assert asking.stderr.readline() == WAITING
    asking.send_signal(2)
    eventually(lambda: asking.poll() is not None, what="its end")
    assert "Traceback" not in asking.communicate(timeout=20)[1]
    assert (asking.returncode, Stub.posted) == (130, [])
