"""An MCP server over HTTP that wants a token: it keeps every header that reached it, and the sessions that are open."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.tool_wire.wire_server import replies


class _Door(BaseHTTPRequestHandler):
    """Takes only the tokens of ``accepts``; the tool ``first`` says what was sent as the token."""

    protocol_version = "HTTP/1.1"
    server: CredentialServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = self.headers.get(self.server.header, "")
        self.server.seen.append((str(request.get("method")), dict(self.headers)))
        if self.server.accepts is not None and token not in self.server.accepts:
            self._answer(401)
            return
        if request.get("method") == self.server.fails_at:
            error = {"code": -32000, "message": f"no room for {token}"}
            self._answer(200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}))
            return
        if request.get("method") == "initialize":
            session = uuid.uuid4().hex
            self.server.sessions[session] = token
            self._answer(200, replies(request, {})[-1], session=session)
            return
        echoed = {"result": {"content": [{"type": "text", "text": f"you are {token}"}]}}
        said = replies(request, {"tools": self.server.tools, **echoed})
        self._answer(200 if said else 202, said[-1] if said else "")

    def do_DELETE(self) -> None:
        self.server.sessions.pop(self.headers.get("Mcp-Session-Id", ""), None)
        self._answer(200)

    def do_GET(self) -> None:
        self._answer(405)

    def _answer(self, status: int, text: str = "", *, session: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if session:
            self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: the tests' output is for the tests."""


class CredentialServer(ThreadingHTTPServer):
    """``accepts``: None takes any token, and none; ``sessions``: token by session.

    ``fails_at``: the method that is answered with an error, which tells the token.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.accepts: set[str] | None = None
        self.header = "Authorization"
        self.fails_at = ""
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.sessions: dict[str, str] = {}
        schema = {"type": "object", "properties": {}}
        self.tools: list[dict[str, Any]] = [
            {"name": "first", "inputSchema": schema, "annotations": {"readOnlyHint": True}}
        ]
        self.url = f"http://127.0.0.1:{self.server_port}"

    def tokens(self) -> set[str]:
        """Return every token that reached it; empty: a request without one."""
        return {headers.get(self.header, "") for _, headers in list(self.seen)}

    def everything(self) -> str:
        """Return all that was sent to it in headers."""
        return json.dumps(list(self.seen))

    def handle_error(self, *_: Any) -> None:
        """Nothing: a client that goes away is expected."""


@contextlib.contextmanager
def serving() -> Iterator[CredentialServer]:
    """Serve in a thread."""
    server = CredentialServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
