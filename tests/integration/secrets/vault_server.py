"""A Vault on a socket: AppRole logins and KV version 2, as its documentation describes them (2026-11)."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class VaultServer:
    """``secrets``: (mount, path) → fields. ``valid``: the token it takes now; a login makes another one."""

    def __init__(self) -> None:
        self.secrets: dict[tuple[str, str], dict[str, Any]] = {}
        self.valid, self.logins = "", 0
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if body != {"role_id": "role", "secret_id": "right"}:
                    return self.answer(400, {"errors": ["invalid role or secret ID"]})
                served.logins += 1
                served.valid = f"token-{served.logins}"
                return self.answer(200, {"auth": {"client_token": served.valid}})

            def do_GET(self) -> None:
                if self.headers.get("X-Vault-Token") != served.valid:
                    return self.answer(403, {"errors": ["permission denied"]})
                mount, _, path = self.path.removeprefix("/v1/").partition("/data/")
                found = served.secrets.get((mount, path))
                if found is None:
                    return self.answer(404, {"errors": []})
                return self.answer(200, {"data": {"data": found, "metadata": {"version": 1}}})

            def answer(self, status: int, body: Any) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
