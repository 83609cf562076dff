"""An MCP server whose answer to a call is given byte for byte, over every transport; see ``replies``.

As a program it speaks over its standard streams: ``wire_server.py FILE``, where FILE holds what it says, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TOOLS = [
    {"name": name, "inputSchema": {"type": "object", "properties": {}}, "annotations": {"readOnlyHint": True}}
    for name in ("first", "second")
]


def replies(request: dict[str, Any], said: dict[str, Any]) -> list[str]:
    """Return the messages that answer a request.

    A call is answered with ``result`` or ``error`` of what is said, or with ``raw``, in which ID stands for the id of
    the request; ``before`` are messages sent before it, in which TOKEN stands for the call's progress token;
    ``echo``: with its arguments as JSON; ``by_tool`` has these by the tool's name.
    """
    method, params = request.get("method"), request.get("params") or {}
    if method == "initialize":
        server = {"name": "wire", "version": "1"}
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": server}
        return [_reply(request, result=result)]
    if method == "tools/list":
        return [_reply(request, result={"tools": said.get("tools", TOOLS)})]
    if method == "tools/call":
        said = said.get("by_tool", {}).get(params["name"], said)
        token = json.dumps((params.get("_meta") or {}).get("progressToken"))
        before = [text.replace("TOKEN", token) for text in said.get("before", [])]
        return [*before, *_answer(request, params, said)]
    if method == "ping" and said.get("no_ping"):
        return [_reply(request, error={"code": -32601, "message": "Method not found"})]
    return [_reply(request, result={})] if "id" in request else []


def _answer(request: dict[str, Any], params: dict[str, Any], said: dict[str, Any]) -> list[str]:
    if said.get("silent"):
        return []
    if said.get("echo"):
        return [_reply(request, result={"content": [{"type": "text", "text": json.dumps(params.get("arguments"))}]})]
    if "raw" in said:
        filler = "x" * said.get("filler", 0)
        return [said["raw"].replace("ID", json.dumps(request["id"])).replace("FILLER", filler)]
    return [_reply(request, **{name: said[name] for name in ("result", "error") if name in said})]


def _reply(request: dict[str, Any], **answer: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], **answer})


class _Door(BaseHTTPRequestHandler):
    """Streamable HTTP at /json and /events, the older HTTP with SSE at /sse."""

    protocol_version = "HTTP/1.1"
    server: WireServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request.get("method") == self.server.forgets:  # as a server does that was restarted
            self.server.forgets = ""
            self._head(404)
            self._end()
            return
        self.server.requests.append(request)
        if self.server.rude is not None and self.server.rude(self, request):
            return
        said = replies(request, self.server.said)
        if self.path == "/messages":
            self._head(202)
            self._end()
            for text in said:
                self.server.older.put(text)
                time.sleep(self.server.said.get("pause", 0))
        elif not said and "id" not in request:
            self._head(202)
            self._end()
        elif self.path == "/json":
            self._head(200, "application/json")
            self._write(said[-1] if said else "")
            self._end()
        else:
            self._head(200, "text/event-stream")
            for text in said:
                self._write(_event(text))
                time.sleep(self.server.said.get("pause", 0))
            if not said:
                time.sleep(5)
            self._end()

    def do_GET(self) -> None:
        if self.server.resumed is not None and "Last-Event-ID" in self.headers:
            self.server.resumed(self)
            return
        if self.path != "/sse":
            self._head(405)
            self._end()
            return
        self._head(200, "text/event-stream")
        self._write("event: endpoint\ndata: /messages\n\n")
        with contextlib.suppress(queue.Empty, OSError):
            while text := self.server.older.get(timeout=30):
                self._write(_event(text).replace("\n", "\r\n"))  # as the SDK's own servers end their lines

    def _head(self, status: int, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _write(self, text: str) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        if raw:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(raw), raw))

    def _end(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests' output is for the tests."""


def _event(text: str) -> str:
    return "event: message\n" + "".join(f"data: {line}\n" for line in text.split("\n")) + "\n"


class WireServer(ThreadingHTTPServer):
    """The doors over HTTP; ``said`` may be changed between calls, ``requests`` are those that came.

    ``forgets``: the method whose next request finds that its session is not known. ``rude`` may answer a request in
    its own way, and returns whether it did; ``resumed`` answers whoever wants to go on with a stream.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.said: dict[str, Any] = {}
        self.requests: list[dict[str, Any]] = []
        self.forgets = ""
        self.rude: Callable[[Any, dict[str, Any]], bool] | None = None
        self.resumed: Callable[[Any], None] | None = None
        self.older: queue.Queue[str] = queue.Queue()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """Nothing: a client that goes away is expected."""


@contextlib.contextmanager
def serving() -> Iterator[WireServer]:
    """Serve over HTTP in a thread."""
    server = WireServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.older.put("")
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    lock = threading.Lock()

    def reply(request: dict[str, Any], said: dict[str, Any]) -> None:
        for text in replies(request, said):
            with lock:
                sys.stdout.buffer.write(text.encode("utf-8", "surrogatepass") + b"\n")
                sys.stdout.buffer.flush()
            time.sleep(said.get("pause", 0))

    for line in sys.stdin:
        now = json.loads(Path(sys.argv[1]).read_text())
        if note := now.get("stderr"):
            sys.stderr.write(note)
            sys.stderr.flush()
        if "exit" in now:
            sys.exit(now["exit"])
        threading.Thread(target=reply, args=(json.loads(line), now), daemon=True).start()
