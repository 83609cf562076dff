"""Calls the API: plain requests, and a stream of events that survives lost connections."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import httpx
import httpx_sse

from aiops.terminal.text import printable

RECONNECTS = 30
TERMINAL = ("run.succeeded", "run.failed", "run.cancelled", "run.expired")


class CallFailed(Exception):
    """The server refused, or cannot be reached; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run."""

    type: str
    data: dict[str, Any]


class Client:
    """A server and a token."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"}
        try:
            self._http = httpx.Client(base_url=self.url, headers=headers, timeout=httpx.Timeout(35, connect=5))
        except httpx.InvalidURL as error:
            raise CallFailed(f"{url} is no address ({error}): give one such as http://127.0.0.1:8000.") from error

    def get(self, path: str, **params: Any) -> Any:
        """Return an answer's JSON; raises CallFailed."""
        return self._call("GET", path, params={k: v for k, v in params.items() if v is not None})

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Post JSON, under a key that makes a repetition harmless; raises CallFailed."""
        return self._call("POST", path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        """Change; raises CallFailed."""
        return self._call("PATCH", path, json=body)

    def delete(self, path: str) -> None:
        """Delete; raises CallFailed."""
        self._call("DELETE", path)

    def upload(self, path: str, file: Path, options: dict[str, Any]) -> Any:
        """Post a file and what goes with it, under a key that makes a repetition harmless; raises CallFailed."""
        try:
            with file.open("rb") as opened:
                headers = {"Idempotency-Key": str(uuid.uuid4())}
                parts = {"file": (file.name, opened, "application/octet-stream")}
                return self._call("POST", path, files=parts, data={"options": json.dumps(options)}, headers=headers)
        except OSError as error:
            raise CallFailed(f"{file} cannot be read: {error.strerror}.") from error

    def download(self, path: str, out: BinaryIO, **params: Any) -> None:
        """Write a file as it comes; raises CallFailed."""
        try:
            with self._http.stream("GET", path, params=params) as response:
                self._check(response)
                for piece in response.iter_bytes():
                    out.write(piece)
        except httpx.TransportError as error:
            raise CallFailed(f"The connection to {self.url} is lost: {error}.") from error

    def events(self, run_id: str) -> Iterator[Event]:
        """Yield a run's events until its end, reconnecting after the last one seen; raises CallFailed."""
        goes_on = f"The run goes on: aiops runs follow {run_id}"
        return self._events(f"/api/runs/{run_id}/events", ends=TERMINAL, goes_on=goes_on)

    def progress(self, batch_id: str) -> Iterator[Event]:
        """Yield how far a batch is until its end, likewise."""
        goes_on = f"The batch goes on: aiops batch watch {batch_id}"
        return self._events(f"/api/batches/{batch_id}/events/", ends=("batch.ended",), goes_on=goes_on)

    def _events(self, path: str, *, ends: tuple[str, ...], goes_on: str) -> Iterator[Event]:
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
            except httpx.TransportError as error:
                failures += 1
                if failures > RECONNECTS:
                    raise CallFailed(f"The connection to {self.url} is lost: {error}. {goes_on}") from error
                if failures == 1:
                    yield Event("connection.lost", {})
                time.sleep(wait_s)
                wait_s = min(wait_s * 1.6, 3.0)

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise CallFailed(f"{self.url} cannot be reached ({error}): is `aiops up` running?") from error
        self._check(response)
        return response.json() if response.content else None

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        response.read()
        try:
            problem = response.json()
            reasons = "; ".join(f"{field}: {' '.join(why)}" for field, why in problem.get("errors", {}).items())
            text = f"{problem['detail']} {reasons}".strip()
        except (ValueError, KeyError, TypeError):
            text = f"{self.url} answered {response.status_code}, and not in our words: is it an aiops server?"
        raise CallFailed(printable(text))
