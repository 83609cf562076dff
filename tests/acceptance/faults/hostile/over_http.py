"""A hostile server over streamable HTTP, which counts its sessions: ``GET /sessions``."""

from __future__ import annotations

import json
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.acceptance.faults.hostile.answers import Replies, answer
from tests.acceptance.faults.hostile.tools import Tools


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, tools: Tools, port: int) -> None:
        super().__init__(("127.0.0.1", port), Door)
        self.tools = tools
        self.sessions: dict[str, Replies] = {}

    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients go away."""


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        replies = self.server.sessions.get(self.headers.get("Mcp-Session-Id", ""))
        if message.get("method") == "initialize":
            session = uuid.uuid4().hex
            self.server.sessions[session] = Replies()
            self._answer(200, answer(self.server.tools, message, self) or "", session=session)
        elif replies is None:
            self._answer(404)
        elif "method" not in message:
            replies.add(message)
            self._answer(202)
        elif "id" not in message:
            if message["method"] == "notifications/cancelled":
                self.server.tools.give_up(message["params"]["requestId"])
            self._answer(202)
        else:
            self._stream(message, replies)

    def do_GET(self) -> None:
        if self.path == "/sessions":
            self._answer(200, json.dumps(len(self.server.sessions)))
        else:
            self._answer(405)

    def do_DELETE(self) -> None:
        known = self.server.sessions.pop(self.headers.get("Mcp-Session-Id", ""), None)
        self._answer(404 if known is None else 200)

    def _stream(self, message: dict[str, Any], replies: Replies) -> None:
        self._replies = replies
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if text := answer(self.server.tools, message, self):
            self.send(text)
        self.wfile.write(b"0\r\n\r\n")

    def _answer(self, status: int, text: str = "", *, session: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(text.encode())

    def send(self, text: str) -> None:
        self.junk(b"data: " + text.encode() + b"\n\n")

    def junk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = uuid.uuid4().hex
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        return self._replies.wait(number)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(tools: Tools, port: int) -> None:
    """Serve until the process ends."""
    with Server(tools, port) as server:
        server.serve_forever(poll_interval=0.05)
