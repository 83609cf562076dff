"""Adds rendered HTML to what browsers get of an answer: in threads, and not too often."""

from __future__ import annotations

import json
import time

from aiops.events import types
from aiops.events.types import Event
from aiops.web import markdown
from aiops.web.doors import guard

EVERY_S = 0.15
"""Rendered HTML of a growing answer is sent at most this often, and less often when rendering takes long."""
REST = 8
"""Times as long as the last rendering took, nothing is rendered."""
MAX_LIVE_CHARACTERS = 20_000
"""A longer answer is rendered when it is complete; until then its words are shown as they come."""


class Rendering:
    """The answer of one run as one viewer sees it grow."""

    def __init__(self) -> None:
        self._text = ""
        self._pending = False
        self._not_before = 0.0

    async def add(self, event: Event, *, shown: bool) -> dict[str, object]:
        """Return the event's data, with ``html`` when it is time; no pause or end leaves words unrendered."""
        if event.type in (types.RESET, types.RESYNC):
            self._text, self._pending, self._not_before = "", False, 0.0
        elif event.type == types.COMPLETED:
            self._text, self._pending = event.data["text"], "link" not in event.data
        elif event.type == types.DELTA:
            self._text += event.data["text"]
            self._pending = True
        growing = event.type == types.DELTA
        wait = growing and (time.monotonic() < self._not_before or len(self._text) > MAX_LIVE_CHARACTERS)
        if not (shown and self._pending) or wait:
            return event.data
        begun = time.monotonic()
        html = await guard.in_thread(markdown.render, self._text)
        self._pending = False
        self._not_before = time.monotonic() + max(EVERY_S, REST * (time.monotonic() - begun))
        data = {**event.data, "html": html}
        return data if len(json.dumps(data, ensure_ascii=False).encode()) <= types.MAX_BYTES else event.data
