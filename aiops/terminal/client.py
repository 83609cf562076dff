"""The HTTP client of the API: requests, and event streams that reconnect."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import httpx
import httpx_sse

from aiops import certificates
from aiops.events import types
from aiops.terminal.text import printable

RECONNECTS = 30
"""Failed attempts in a row before giving up: about 80 s."""
BETWEEN_PROCESSES = {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
"""What a proxy answers while its web processes restart."""


class CallFailed(Exception):
    """The server refused the call or cannot be reached; the message is for people."""


class Unavailable(CallFailed):
    """The server, or the proxy in front of it, answers that it cannot serve now."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run or batch."""

    type: str
    data: dict[str, Any]


def _why(reason: str) -> dict[str, str]:
    """Return the header of a change's reason, for the change log."""
    return {"Change-Reason": quote(reason)} if reason else {}


class Client:
    """Calls one server with one token; all methods raise CallFailed."""

    CONNECTION_LOST = "connection.lost"
    """Type of the event that the client adds when it begins to reconnect."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=httpx.Timeout(35, connect=5))
        except httpx.InvalidURL as error:
            raise CallFailed(f"{url} is not a URL ({error}): give one such as http://127.0.0.1:8000.") from error

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON response; parameters that are None are left out."""
        return self._call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: Any = None, *, secret: bool = False, reason: str = "") -> Any:
        """Post JSON with an Idempotency-Key; without one if the body is ``secret``, for the server refuses it then."""
        keys = {} if secret else {"Idempotency-Key": str(uuid.uuid4())}
        return self._call("POST", path, json=body, headers=keys | _why(reason))

    def patch(self, path: str, body: Any, *, reason: str = "") -> Any:
        return self._call("PATCH", path, json=body, headers=_why(reason))

    def delete(self, path: str, *, reason: str = "") -> None:
        self._call("DELETE", path, headers=_why(reason))

    def upload(self, path: str, file: Path, *, reason: str = "", **fields: str) -> Any:
        """Post a form of a file and texts with an Idempotency-Key."""
        try:
            with file.open("rb") as opened:
                return self.send_file(path, file.name, opened, reason=reason, **fields)
        except OSError as error:
            raise CallFailed(f"{file} cannot be read: {error.strerror}.") from error

    def send_file(self, path: str, name: str, content: bytes | BinaryIO, *, reason: str = "", **fields: str) -> Any:
        """Post a form of a file and other fields with an Idempotency-Key."""
        parts = {"file": (name, content, "application/octet-stream")}
        keys = {"Idempotency-Key": str(uuid.uuid4())}
        return self._call("POST", path, files=parts, data=fields, headers=keys | _why(reason))

    def download(self, path: str, out: BinaryIO, **params: Any) -> None:
        """Write a response body to ``out`` as it arrives."""
        try:
            with self._http.stream("GET", path, params=params) as response:
                self._check(response)
                for piece in response.iter_bytes():
                    out.write(piece)
        except httpx.TransportError as error:
            raise CallFailed(self._refused(error) or f"The connection to {self.url} was lost: {error}.") from error

    def events(self, run_id: str) -> Iterator[Event]:
        """Yield a run's events until its end; after a lost connection, resume after the last event."""
        resume = f"The run continues: aiops runs follow {run_id}"
        return self._events(f"/api/runs/{run_id}/events", ends=types.TERMINAL, resume=resume)

    def progress(self, batch_id: str) -> Iterator[Event]:
        """Yield a batch's progress until its end, reconnecting likewise."""
        resume = f"The batch continues: aiops batch watch {batch_id}"
        return self._events(f"/api/batches/{batch_id}/events/", ends={"batch.ended"}, resume=resume)

    def _events(self, path: str, *, ends: Collection[str], resume: str) -> Iterator[Event]:
        last, wait_s, failures = "", 0.3, 0
        while True:
            try:
                headers = {"Last-Event-ID": last} if last else {}
                with httpx_sse.connect_sse(self._http, "GET", path, headers=headers) as source:
                    if source.response.status_code == httpx.codes.NO_CONTENT:
                        return
                    self._check(source.response)
                    for sse in source.iter_sse():
                        last, failures, wait_s = sse.id or last, 0, 0.3
                        if not sse.data:  # a comment that keeps the connection open
                            continue
                        event = Event(sse.event, sse.json())
                        yield event
                        if event.type in ends:
                            return
            except (httpx.TransportError, Unavailable) as error:
                failures += 1
                if refused := self._refused(error):
                    raise CallFailed(f"{refused} {resume}") from error
                if failures > RECONNECTS:
                    why = str(error).rstrip(".")
                    raise CallFailed(f"The connection to {self.url} was lost: {why}. {resume}") from error
                if failures == 1:
                    yield Event(self.CONNECTION_LOST, {})
                time.sleep(wait_s)
                wait_s = min(wait_s * 1.6, 3.0)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            lost = f"{self.url} cannot be reached ({error}): is `aiops up` running?"
            raise CallFailed(self._refused(error) or lost) from error
        self._check(response)
        return response.json() if response.content else None

    def _refused(self, error: Exception) -> str:
        """Return why the server's certificate was refused; empty if the error has another cause."""
        refused = certificates.problem(error)
        return f"No secure connection to {self.url}: {refused}" if refused else ""

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        try:
            problem = response.json()
            text = _sentence(problem["detail"], problem.get("errors", {}))
        except (ValueError, KeyError, TypeError):
            text = f"{self.url} answered {response.status_code}, but not as aiops does: is it an aiops server?"
        kind = Unavailable if response.status_code in BETWEEN_PROCESSES else CallFailed
        raise kind(printable(text))


def _sentence(detail: str, errors: dict[str, list[str]]) -> str:
    """Return a problem as text: each reason once, after the fields that it applies to."""
    fields_of: dict[str, list[str]] = {}
    for field, why in errors.items():
        fields_of.setdefault(" ".join(why), []).append(field)
    reasons = " ".join(f"{', '.join(fields)}: {why}" for why, fields in fields_of.items())
    only_names = detail == f"Correct {', '.join(errors)}."  # the reasons name them again
    return reasons if only_names else f"{detail} {reasons}".strip()
