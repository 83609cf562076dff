"""The connections of the web process: bounded in number, in size before a request is known, and in time.

uvicorn bounds none of these (0.54, October 2026): any byte that arrives ends its only timer, and closing a connection
waits for the reader for ever.
"""

from __future__ import annotations

import asyncio
import functools
import json
import resource
import socket
import sys
from collections import Counter
from typing import ClassVar

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from aiops import log
from aiops.web.address import counted_as
from aiops.web.api import problems

OPEN_FILES = 65_536

logger = log.get(__name__)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol within bounds; the web process is told to use it by ``--http``."""

    most: ClassVar[int] = 10_000
    most_of_one_address: ClassVar[int] = 250
    """Trusted proxies (``FORWARDED_ALLOW_IPS``; this machine if not set) may have all: they count their own clients."""
    most_head_bytes: ClassVar[int] = 32_768
    most_request_bytes: ClassVar[int] = 2_000_000
    """On the wire, with what chunks and trailers add; the body itself is bounded by ``Limits``."""
    arrival_s: ClassVar[float] = 15.0
    """A request must have arrived whole after so long, counted from the connection's beginning or its first byte."""
    unread_s: ClassVar[float] = 30.0
    """What is sent must be taken within so long (Linux); this also ends connections whose other side is gone."""
    _open: ClassVar[Counter[str]] = Counter()

    _arrival: asyncio.TimerHandle | None = None
    _in_head = True
    _got = 0
    _counts_as = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin, unless there are too many."""
        super().connection_made(transport)
        self.ws_protocol_class = None
        self._expect_request()
        _bound_silence(transport, self.unread_s)
        host = self.client[0] if self.client else ""
        trusted = self.config.forwarded_allow_ips
        if not _is_proxy(host, trusted if isinstance(trusted, str) else ",".join(trusted)):
            self._counts_as = counted_as(host)
            self._open[self._counts_as] += 1
        if len(self.connections) > self.most or self._open[self._counts_as] > self.most_of_one_address:
            logger.warning("connection.refused", address=host, open=len(self.connections))
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        if self._counts_as:
            self._open[self._counts_as] -= 1
            if not self._open[self._counts_as]:
                del self._open[self._counts_as]
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived, in pieces no larger than a head; whatever it is, a whole request must follow in time."""
        for start in range(0, len(data), self.most_head_bytes):
            piece = data[start : start + self.most_head_bytes]
            self._expect_request()
            self._got += len(piece)
            super().data_received(piece)
            if self._in_head and self._got > self.most_head_bytes:
                self._refuse(431, "head_too_large", "Head too large", f"At most {self.most_head_bytes} bytes.")
            elif self._got > self.most_request_bytes:
                self.transport.abort()
            if self.transport.is_closing():
                return

    def on_message_begin(self) -> None:
        """A request begins, perhaps in the packet that ended the one before."""
        super().on_message_begin()
        self._expect_request()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those that come after the body are no part of the request that was checked."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is known: the application decides."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request has arrived."""
        self._arrived()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(400, "invalid_http", "Invalid HTTP", msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing here speaks another protocol: the request is answered as it is, without a line in the log."""

    def _expect_request(self) -> None:
        if self._arrival is None:
            self._arrival = self.loop.call_later(self.arrival_s, self.transport.abort)

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
        self._in_head, self._got = True, 0

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps(problems.body(status, code, title, detail)).encode()
        head = f"content-type: {problems.CONTENT_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()


@functools.lru_cache(maxsize=4_096)
def _is_proxy(host: str, trusted: str) -> bool:
    """Return whether uvicorn believes this address when it names the client."""
    return host in ProxyHeadersMiddleware(_nothing, trusted).trusted_hosts


async def _nothing(*_: object) -> None:
    """Stand for an application where one is asked for."""


def _bound_silence(transport: asyncio.Transport, seconds: float) -> None:
    """Have the kernel end a connection whose other side takes nothing, or is gone without a word."""
    ours: socket.socket | None = transport.get_extra_info("socket")
    if ours is None or ours.family not in (socket.AF_INET, socket.AF_INET6):
        return
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1e3))
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(seconds))
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)


def raise_file_limit() -> None:
    """Allow this process as many open files as the system lets it: each connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
