"""The HTTP client of tool servers, with limits of time and size; external servers are pinned to public addresses."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

import httpx
from mcp.types import RequestId

from aiops import net
from aiops.tool_servers.client import messages
from aiops.tool_servers.client.values import CallLimits, ServerSpec

SILENT_S = 300.0
"""Longest pause between two events of a server."""
CLOSE_S = 2.0
"""For the DELETE that ends a session: a frozen or very slow server must not block the close."""
SLACK_S = 5.0
"""A request ends this long after the timeout of its caller."""
RESUMED = "Last-Event-ID"
"""Header of a GET that goes on with a stream of events (MCP of 2025-11-25)."""
MAX_CUT = 1_000
MAX_ID_CHARACTERS = 200
JSON, EVENTS = "application/json", "text/event-stream"
CLOSED = (httpx.NetworkError, httpx.RemoteProtocolError)
PACKED = "It compresses its answers, although that was not asked for."
OF_ENCODING = ("content-encoding", "content-length", "transfer-encoding")
"""Headers of a body as it was sent; what is handed on is decoded."""


def client(spec: ServerSpec, limits: CallLimits | None = None) -> Client:
    """Return an HTTP client with the server's headers: no redirects; pinned public addresses for external servers."""
    post_s = max(limits.silent_s if limits else 0.0, spec.handshake_s) + SLACK_S
    return Client(
        silent_s=post_s,
        total_s=max(limits.total_s + SLACK_S if limits else 0.0, post_s),
        headers={"Accept-Encoding": "identity", **dict(spec.headers)},
        timeout=httpx.Timeout(spec.handshake_s, read=SILENT_S),
        limits=httpx.Limits(max_connections=None),  # a run has at most a few calls, and none may wait for another's
        follow_redirects=False,
        transport=Pinned() if spec.external else None,
    )


class Client(httpx.AsyncClient):
    """Limits the time of every request and the size of every message; only a GET may stream for ever."""

    def __init__(self, *, silent_s: float, total_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._silent_s = silent_s
        self._total_s = total_s
        self._cut: set[str] = set()
        """The ids of events after which an answer was cut off."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send a request; raises httpx.ReadTimeout when its time is over, httpx.DecodingError for what is compressed.

        A few bytes that are compressed can be gigabytes, which no limit sees before they are unpacked.
        """
        now = asyncio.get_running_loop().time()
        silent_s = {"GET": SILENT_S, "DELETE": CLOSE_S}.get(request.method, self._silent_s)
        try:
            async with asyncio.timeout(silent_s):
                response = await super().send(request, **options)
        except TimeoutError:
            if request.method == "POST":  # its caller has given up; an error would end the session
                return httpx.Response(httpx.codes.ACCEPTED, request=request)
            raise httpx.ReadTimeout(f"no answer within {silent_s:g} s", request=request) from None
        except httpx.TransportError:
            if not self._resumes(request):
                raise
            return _answer(request, messages.event(messages.cut_off(None)), EVENTS)
        if request.method == "DELETE" or not response.is_success:
            response = await _without_body(response)
            if not self._resumes(request):
                return response
            return _answer(request, messages.event(messages.cut_off(None)), EVENTS)
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise httpx.DecodingError(PACKED, request=request)
        until = now + (self._total_s if request.method == "POST" else math.inf)
        return await self._checked(response, silent_s=silent_s, until=until)

    def _resumes(self, request: httpx.Request) -> bool:
        """Return whether a request is for the rest of an answer."""
        return request.method == "GET" and request.headers.get(RESUMED) in self._cut

    async def _checked(self, response: httpx.Response, *, silent_s: float, until: float) -> httpx.Response:
        """Return a response whose body ends in time and contains only messages that the SDK can read."""
        request = response.request
        number = messages.request_of(request.content) if request.method == "POST" else None
        kind = response.headers.get("Content-Type", "").lower()
        if number is not None and response.status_code != httpx.codes.ACCEPTED and not kind.startswith((JSON, EVENTS)):
            await response.aclose()  # the SDK would let its call wait
            return _answer(request, messages.of_kind(kind, request=number), JSON)
        body: Body = Whole(response, number, silent_s=silent_s, until=until)
        if kind.startswith(EVENTS):
            cut = self._cut if number is not None or self._resumes(request) else None
            body = Events(response, number, silent_s=silent_s, until=until, cut=cut)
        return httpx.Response(
            response.status_code,
            headers=_plain(response),
            stream=body,
            request=request,
            extensions=response.extensions,
        )


def _plain(response: httpx.Response) -> list[tuple[str, str]]:
    """Return the headers without those of the body as it was sent."""
    return [(name, value) for name, value in response.headers.multi_items() if name not in OF_ENCODING]


async def _without_body(response: httpx.Response) -> httpx.Response:
    """Return a response whose body is not read, for it may have no end; the SDK follows its redirect."""
    await response.aclose()
    bare = httpx.Response(response.status_code, headers=_plain(response), request=response.request)
    bare.next_request = response.next_request
    return bare


def _answer(request: httpx.Request, content: bytes, kind: str) -> httpx.Response:
    return httpx.Response(httpx.codes.OK, headers={"Content-Type": kind}, content=content, request=request)


class Body(httpx.AsyncByteStream):
    """A response body, with limits of its time (``until`` is the loop's) and of the size of its messages."""

    def __init__(self, response: httpx.Response, number: RequestId | None, *, silent_s: float, until: float) -> None:
        self._response = response
        self._number = number
        self._silent_s = silent_s
        self._until = until

    async def aclose(self) -> None:
        await self._response.aclose()

    async def _parts(self) -> AsyncIterator[bytes]:
        parts = aiter(self._response.aiter_bytes())
        while True:
            now = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout_at(min(now + self._silent_s, self._until)):
                    part = await anext(parts)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise httpx.ReadTimeout("the body did not end in time") from None
            yield part


class Whole(Body):
    """One message."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kept = b""
        try:
            async for part in self._parts():
                kept += part
                if len(kept) > messages.MAX_BYTES:
                    yield messages.too_large(kept, b"", request=self._number) or b""
                    return
        except CLOSED:
            kept = messages.cut_off(self._number)
        yield messages.check(kept, request=self._number)


class Events(Body):
    """Server-sent events; ``cut`` keeps the ids of those after which an answer was cut off. None: it is no answer."""

    def __init__(
        self,
        response: httpx.Response,
        number: RequestId | None,
        *,
        silent_s: float,
        until: float,
        cut: set[str] | None,
    ) -> None:
        super().__init__(response, number, silent_s=silent_s, until=until)
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events = messages.Events(self._number)
        events.last_id = self._response.request.headers.get(RESUMED, "")
        try:
            async for part in self._parts():
                yield events.feed(part)
        except CLOSED:
            if self._cut is None:
                raise
        if self._cut is None:
            return
        # Whoever got an answer has stopped reading; otherwise the SDK resumes a stream with ids, or waits for ever.
        if 0 < len(events.last_id) <= MAX_ID_CHARACTERS and len(self._cut) < MAX_CUT:
            self._cut.add(events.last_id)
        else:
            yield messages.event(messages.cut_off(self._number))


class Pinned(httpx.AsyncHTTPTransport):
    """Resolves the name once per request, and connects to that address if it is public."""

    def __init__(self) -> None:
        super().__init__(verify=httpx.create_ssl_context(), trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises BadAddress, OSError or httpx.HTTPError."""
        target = await net.resolve(str(request.url), allowed=(), cure="mark the tool server as internal if it is yours")
        pinned = httpx.Request(
            request.method,
            target.pinned_url,
            headers=request.headers,  # with the original Host
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": target.host},
        )
        return await super().handle_async_request(pinned)
