"""A backend that takes changes and never answers them."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Vanishing:
    """A backend that is healthy, reads a change and then closes the connection; ``changes`` has each it got."""

    def __init__(self, begun: threading.Event | None = None) -> None:
        self.changes: list[str] = []
        self._begun = begun or threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as lines:
            while first := lines.readline().decode():
                length = 0
                while (header := lines.readline().decode().lower().strip()) != "":
                    name, _, value = header.partition(":")
                    length = int(value) if name == "content-length" else length
                if length:
                    lines.read(1)
                    self._begun.set()
                    lines.read(length - 1)
                if not first.startswith("GET"):
                    self.changes.append(first.split()[0])
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._server.close()
