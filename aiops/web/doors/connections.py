"""The connections of the web process, bounded in number, in request size and in time.

uvicorn (0.54, October 2026) bounds none of these: any byte received stops its only timer, and closing a connection
waits for the reader without limit.
"""

from __future__ import annotations

import asyncio
import functools
import json
import resource
import socket
import sys
from typing import ClassVar

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from aiops.web.address import counted_as
from aiops.web.api import problems
from aiops.web.doors import clients
from aiops.web.doors.clients import Clients

OPEN_FILES = 65_536


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with bounds; the web process uses it by ``--http``."""

    most: ClassVar[int] = 10_000
    clients: ClassVar[Clients] = Clients(most=250)
    """Without trusted proxies (``FORWARDED_ALLOW_IPS``; default: this machine), which limit their own clients."""
    most_head_bytes: ClassVar[int] = 32_768
    most_request_bytes: ClassVar[int] = 256_000_000
    """On the wire, including chunk headers and trailers; ``Limits`` bounds the body itself for each path."""
    arrival_s: ClassVar[float] = 15.0
    """A request must be complete this long after the start of the connection or after its first byte."""
    least_bytes_per_s: ClassVar[int] = 16_000
    """Received body bytes extend the time at this rate, so a slow line can send a large file (50 MB in an hour)."""
    unread_s: ClassVar[float] = 30.0
    """The client must read within this time (Linux); this also ends connections whose other side is gone."""

    _arrival: asyncio.TimerHandle | None = None
    _begun_at = 0.0
    _in_head = True
    _got = 0
    _got_of_body = 0
    _counts_as = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.ws_protocol_class = None
        self._expect_request()
        _bound_silence(transport, self.unread_s)
        host = self.client[0] if self.client else ""
        trusted = self.config.forwarded_allow_ips
        is_within = len(self.connections) <= self.most
        if not _is_proxy(host, trusted if isinstance(trusted, str) else ",".join(trusted)):
            self._counts_as = counted_as(host)
            is_within &= self.clients.add(self._counts_as, transport)
        if not is_within:
            clients.refuse(transport, address=host, open_=len(self.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._counts_as:
            self.clients.remove(self._counts_as)
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process the data in pieces no larger than a head, so that the head's bound holds."""
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
        super().on_message_begin()
        self._expect_request()  # the packet that ended a request may begin the next one

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers were not checked with the request, so they are dropped
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.cycle.response_complete:  # nobody reads the rest, so it does not extend the time
            self._got_of_body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "invalid_http", "Invalid HTTP", msg)

    def _unsupported_upgrade_warning(self) -> None:
        """Serve upgrade requests as plain HTTP, without a line in the log."""

    def _expect_request(self) -> None:
        if self._arrival is None:
            self._begun_at = self.loop.time()
            self._arrival = self.loop.call_later(self.arrival_s, self._check_arrival)

    def _check_arrival(self) -> None:
        """Abort a request that is late, given the size of the body received; otherwise check again later."""
        until = self._begun_at + self.arrival_s + self._got_of_body / self.least_bytes_per_s
        if until > self.loop.time():
            self._arrival = self.loop.call_at(until, self._check_arrival)
        elif self._got_of_body and not self.cycle.response_started:
            detail = f"At least {self.least_bytes_per_s} bytes a second."
            self._refuse(408, "body_too_slow", "Body too slow", detail)
        else:
            self.transport.abort()

    def _arrived(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None
        self._in_head, self._got, self._got_of_body = True, 0, 0

    def _refuse(self, status: int, code: str, title: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps(problems.body(status, code, title, detail)).encode()
        head = f"content-type: {problems.CONTENT_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head.encode() + body)
        self.transport.close()


@functools.lru_cache(maxsize=4_096)
def _is_proxy(host: str, trusted: str) -> bool:
    """Return whether uvicorn trusts this address's X-Forwarded-For."""
    return host in ProxyHeadersMiddleware(_nothing, trusted).trusted_hosts


async def _nothing(*_: object) -> None:
    """Serve as the application that ProxyHeadersMiddleware requires."""


def _bound_silence(transport: asyncio.Transport, seconds: float) -> None:
    """Let the kernel end a connection whose other side reads nothing, or is gone without closing it."""
    ours: socket.socket | None = transport.get_extra_info("socket")
    if ours is None or ours.family not in (socket.AF_INET, socket.AF_INET6):
        return
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform == "linux":
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1e3))
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(seconds))
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)


def raise_file_limit() -> None:
    """Raise this process's limit of open files: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
