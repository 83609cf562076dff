"""An MCP server and a provider of models over HTTP that answers some requests a byte at a time, for ever."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOOL = {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}


class DrippingServer:
    """Answers as it should, but ``head`` and ``body`` name what it never ends: methods of MCP, or of HTTP."""

    def __init__(self, *, head: set[str] | None = None, body: set[str] | None = None) -> None:
        self.head, self.body = head or set(), body or set()
        self.dripping = threading.Semaphore(0)
        """Released when a request begins to be answered by drips."""
        self.given_up = threading.Semaphore(0)
        """Released when a client closed a connection that it was sent drips over."""
        self._ended = threading.Event()
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                ours._answer(self, request["method"], request)

            def do_GET(self) -> None:
                ours._answer(self, "GET", {})

            def do_DELETE(self) -> None:
                ours._answer(self, "DELETE", {})

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler, what: str, request: dict[str, Any]) -> None:
        if what in self.head:
            self._drip(handler, b"HTTP/1.1 200 OK\r\nX-A: ")
        elif what in self.body:
            self._drip(handler, b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: ")
        elif what == "initialize":
            version = request["params"]["protocolVersion"]
            about = {"protocolVersion": version, "serverInfo": {"name": "drips", "version": "1"}}
            self._send(handler, 200, request, {**about, "capabilities": {"tools": {}}})
        elif "id" in request:
            self._send(handler, 200, request, {"tools": [TOOL]} if what == "tools/list" else {})
        else:
            self._send(handler, 405 if what == "GET" else 202, request, None)

    def _send(self, handler: BaseHTTPRequestHandler, status: int, request: dict[str, Any], result: Any) -> None:
        written = (
            b"" if result is None else json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        )
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(written)))
        handler.send_header("Mcp-Session-Id", "one")
        handler.end_headers()
        handler.wfile.write(written)

    def _drip(self, handler: BaseHTTPRequestHandler, beginning: bytes) -> None:
        self.dripping.release()
        handler.close_connection = True
        try:
            handler.wfile.write(beginning)
            while not self._ended.wait(0.02):
                handler.wfile.write(b"a")
        except OSError:
            self.given_up.release()
