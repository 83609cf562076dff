"""An HTTP server that answers its requests, in turn, with exactly the bytes that it was given."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer: status, headers, and the pieces of its body with ``pause_s`` between them.

    Without ``whole`` the connection is closed before the body ends.
    """

    body: tuple[bytes, ...]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0
    whole: bool = True


class RawServer:
    """Gives its replies in turn, the last one again and again; ``asked`` has the JSON of every request.

    It ends every connection, so that a client may go on in another event loop.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self._replies: list[Reply] = []
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                ours.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                with contextlib.suppress(ConnectionError):  # the client gave the answer up
                    ours._send(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def begin(self, *replies: Reply) -> None:
        """Forget what was asked, and give these replies from now on."""
        self.asked.clear()
        self._replies = list(replies)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _send(self, handler: BaseHTTPRequestHandler) -> None:
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        handler.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.send_header("Connection", "close")
        handler.end_headers()
        for piece in reply.body:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            handler.wfile.flush()
            time.sleep(reply.pause_s)
        if reply.whole:
            handler.wfile.write(b"0\r\n\r\n")


def sse(*chunks: Any, done: bool = True, **options: Any) -> Reply:
    """Return a stream of OpenAI's chat API; a chunk may be JSON, or text as it is."""
    lines = [chunk if isinstance(chunk, str) else f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    end = ["data: [DONE]\n\n"] if done else []
    return Reply(
        tuple(line.encode() for line in (*lines, *end)), headers={"Content-Type": "text/event-stream"}, **options
    )


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    """Return one chunk of OpenAI's chat API."""
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"} | {
        "choices": [{"index": 0, "delta": said, "finish_reason": finish}]
    }


def calling(name: str, arguments: str, *, id_: str | None = "c1", **more: Any) -> dict[str, Any]:
    """Return one chunk that has a piece of a tool call."""
    return delta(tool_calls=[{"index": 0, "id": id_, "function": {"name": name, "arguments": arguments}} | more])


def ndjson(*lines: Any, **options: Any) -> Reply:
    """Return a stream of Ollama's chat API."""
    written = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return Reply(tuple(f"{line}\n".encode() for line in written), **options)


def part(content: str = "", *, done: str | None = None, **message: Any) -> dict[str, Any]:
    """Return one line of Ollama's chat API; ``done`` is the reason of the end."""
    made: dict[str, Any] = {"model": "m", "message": {"role": "assistant", "content": content, **message}}
    return made | {"done": done is not None} | ({"done_reason": done} if done else {})


def problem(status: int, message: str, **headers: str) -> Reply:
    """Return an error in OpenAI's form."""
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error"}})
    return Reply((body.encode(),), status, headers)


def ollama_problem(status: int, message: str, **headers: str) -> Reply:
    """Return an error in Ollama's form."""
    return Reply((json.dumps({"error": message}).encode(),), status, headers)
