"""Bounds and checks what a tool server sends before it is parsed; what is too large or invalid fails its call at once.

The SDK (mcp 1.30) reads messages without a bound, and ignores what it cannot read: its call waits until its time ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mcp.types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, RequestId
from pydantic import ValidationError

from aiops.untrusted import clean_json

MAX_BYTES = 2_000_000
"""Of one message: if it has only small values, it holds up a worker's loop for about a quarter of a second."""
EDGE_BYTES = 2_000
"""Where the id of a message that is too large is looked for: at its beginning and its end."""
TOO_LARGE = f"The tool server's answer has more than {MAX_BYTES:,} bytes: ask for less."
OTHER_KIND = "The tool server answered with {!r}, which is not MCP."
INVALID = "The tool server's answer is not valid JSON-RPC."
CUT_OFF = (32_600, "The connection was closed before the answer was complete.")
"""Code and message of the error in place of an answer that did not come; servers' own codes are negative."""
MIN_RETRY_MS = 1_000
MAX_RETRY_MS = 30_000
"""Bounds of the pause that a server may ask for before a stream of events is opened again."""
_ID = rb'"id"\s*:\s*(\d{1,15}|"[^"\\]{1,100}")'
_ID_FIRST = re.compile(rb'\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID)
_ID_LAST = re.compile(_ID + rb'\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end: its beginning, up to ``MAX_BYTES``, its full size, and its last bytes."""

    text: bytes
    size: int
    tail: bytes

    @property
    def is_whole(self) -> bool:
        """Whether ``text`` is the whole line."""
        return self.size <= MAX_BYTES


class Lines:
    """Splits a stream into lines that end with LF or CRLF; of a longer line than ``MAX_BYTES`` it keeps both ends."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._size = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """Yield the lines that end in this part of the stream."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._add(part)
            yield Line(bytes(self._begun).removesuffix(b"\r"), self._size, self._tail)
            self._begun.clear()
            self._size, self._tail = 0, b""
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self._begun += part[: max(MAX_BYTES - self._size, 0)]
        self._size += len(part)
        self._tail = (self._tail + part[-EDGE_BYTES:])[-EDGE_BYTES:]


class Events:
    """Checks a stream of server-sent events: each event is passed on whole, or as an error of its call.

    ``last_id`` is the last id of an event: a stream with one can be resumed.
    """

    def __init__(self, request: RequestId | None) -> None:
        self.last_id = ""
        self._request = request
        self._lines = Lines()
        self._event = bytearray()
        self._size = 0
        self._tail = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the events that end in this part of the stream, each with the empty line after it."""
        ready = b""
        for line in self._lines.feed(chunk):
            if not line.text:
                ready += self._checked()
                self._event.clear()
                self._size = 0
                continue
            if self._size <= MAX_BYTES:  # beyond, the event will be replaced anyway
                self._event += line.text + b"\n"
            self._size += line.size + 1
            self._tail = line.tail
        return ready

    def _checked(self) -> bytes:
        lines = [text for text in bytes(self._event).splitlines() if _is_patient(text)]
        ids = [_value(text) for text in lines if text.startswith(b"id:")]
        self.last_id = ids[-1].decode(errors="replace") if ids else self.last_id
        if self._size > MAX_BYTES:
            begun = next((text for text in lines if text.startswith(b"data:")), b"")
            error = too_large(_value(begun), self._tail, request=self._request)
            return b"data: %b\n\n" % error if error else b""
        if any(text.startswith(b"event:") and _value(text) != b"message" for text in lines):
            return b"\n".join([*lines, b"", b""])
        data = b"\n".join(_value(text) for text in lines if text.startswith(b"data:"))
        if not data or (checked := check(data, request=self._request)) is data:
            return b"\n".join([*lines, b"", b""])
        others = [text for text in lines if not text.startswith(b"data:")]
        return b"\n".join([*others, b"data: " + checked, b"", b""])


def check(message: bytes, *, request: RequestId | None) -> bytes:
    """Return a message as it is if the SDK can read it, otherwise an error of its call.

    ``request`` is the request that is being answered; None: it is named in the message. A message that belongs to no
    call is returned unchanged.
    """
    try:
        JSONRPCMessage.model_validate_json(message)
    except ValidationError:
        return _replaced(message, request) or message
    return message


def parsed(message: bytes, *, request: RequestId | None) -> JSONRPCMessage:
    """Return what ``check`` returns, parsed; raises ValidationError when it belongs to no call."""
    try:
        return JSONRPCMessage.model_validate_json(message)
    except ValidationError:
        error = _replaced(message, request)
        if error is None:
            raise
        return JSONRPCMessage.model_validate_json(error)


def _replaced(message: bytes, request: RequestId | None) -> bytes | None:
    """Return an unreadable message made readable, or the error of the call that it answers; None for neither."""
    value = _json_object(message)
    if "method" in value:  # a notification or a request: it answers no call
        return None
    if "result" in value and (cleaned := _cleaned(value)):
        return cleaned
    error = value.get("error")  # such as one without an id, or with a text as its code
    text = str(error.get("message") or INVALID) if isinstance(error, dict) else INVALID
    return _error(request if request is not None else _id(message, message), text)


def _cleaned(value: dict[str, Any]) -> bytes | None:
    """Return a result without halves of characters, as programs leave that cut a text; None when more is wrong."""
    try:
        return JSONRPCMessage.model_validate(clean_json(value)).model_dump_json(exclude_none=True).encode()
    except (ValidationError, RecursionError):
        return None


def too_large(beginning: bytes, end: bytes, *, request: RequestId | None) -> bytes | None:
    """Return the error of a call whose answer was not kept; None when its id is found at neither end."""
    return _error(request if request is not None else _id(beginning, end), TOO_LARGE)


def cut_off(request: RequestId | None) -> bytes:
    """Return the error that ends a call whose answer was cut off; None: who resumed the stream knows the request."""
    code, text = CUT_OFF
    error = JSONRPCError(jsonrpc="2.0", id="" if request is None else request, error=ErrorData(code=code, message=text))
    return error.model_dump_json(exclude_none=True).encode()


def of_kind(content_type: str, *, request: RequestId) -> bytes:
    """Return the error of a call that was answered with something else than a message."""
    return _error(request, OTHER_KIND.format(content_type[:60])) or b""


def event(message: bytes) -> bytes:
    """Return a message as a server-sent event."""
    return b"data: %b\n\n" % message


def request_of(body: bytes) -> RequestId | None:
    """Return the id of a request that this program sends; None for a notification."""
    found = _json_object(body).get("id")
    return found if isinstance(found, int | str) else None


def _id(beginning: bytes, end: bytes) -> RequestId | None:
    found = _ID_FIRST.match(beginning[:EDGE_BYTES].lstrip()) or _ID_LAST.search(end[-EDGE_BYTES:])
    return json.loads(found[1]) if found else None


def _error(request: RequestId | None, text: str) -> bytes | None:
    if request is None:
        return None
    error = JSONRPCError(jsonrpc="2.0", id=request, error=ErrorData(code=INTERNAL_ERROR, message=text))
    return error.model_dump_json(exclude_none=True).encode()


def _json_object(message: bytes) -> dict[str, Any]:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_patient(field: bytes) -> bool:
    """Return whether a field may be passed on: a pause of no time would open a stream again without end."""
    if not field.startswith(b"retry:"):
        return True
    value = _value(field)
    return len(value) < 10 and value.isdigit() and MIN_RETRY_MS <= int(value) <= MAX_RETRY_MS


def _value(field: bytes) -> bytes:
    return field.partition(b":")[2].removeprefix(b" ")
