"""A mail server on a socket: takes mails, refuses, or drips."""

from __future__ import annotations

import contextlib
import email
import socket
import threading
import time
from email.message import Message
from email.policy import default
from typing import Any


class MailServer:
    """Speaks as much SMTP as a client needs (RFC 5321); ``mails`` are (recipient, message)."""

    def __init__(self, *, refuses: str = "", drips: bool = False) -> None:
        self.mails: list[tuple[str, Message]] = []
        self.refuses, self._drips = refuses, drips
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._drips:
                while True:
                    connection.sendall(b"2")
                    time.sleep(0.05)
            self._talk(connection, connection.makefile("rb"))

    def _talk(self, connection: socket.socket, lines: Any) -> None:
        connection.sendall(b"220 ready\r\n")
        to = ""
        for line in lines:
            verb = line[:4].upper()
            if verb == b"RCPT":
                to = line.decode().partition("<")[2].partition(">")[0]
                answer = self.refuses or "250 ok"
            elif verb == b"DATA":
                connection.sendall(b"354 go on\r\n")
                content = b"".join(iter(lines.readline, b".\r\n"))
                self.mails.append((to, email.message_from_bytes(content, policy=default)))
                answer = "250 taken"
            else:
                answer = "221 bye" if verb == b"QUIT" else "250 ok"
            connection.sendall(f"{answer}\r\n".encode())
