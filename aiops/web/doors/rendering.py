"""Adds rendered HTML to the events of a growing answer, in its own threads and at a bounded rate."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

from aiops.events import types
from aiops.events.types import Event
from aiops.web import growing, markdown

EVERY_S = 0.15
"""Minimum interval between renderings of a growing answer, seconds; longer if rendering takes long."""
IDLE_FACTOR = 8
"""After a rendering, pause for this many times its duration."""
MAX_LIVE_CHARACTERS = 20_000
"""A longer answer is rendered only when it is complete; until then its plain text is shown."""
THREADS = 2
"""Few: rendering holds the interpreter lock, and must not occupy the threads of requests."""

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="rendering")


class Rendering:
    """The growing answer of one run, for one viewer."""

    def __init__(self) -> None:
        self._text = ""
        self._not_before = 0.0
        self._unrendered: Event | None = None

    @property
    def due_in_s(self) -> float | None:
        """Seconds until the words sent so far should be rendered; None if there are none."""
        if self._unrendered is None or len(self._text) > MAX_LIVE_CHARACTERS:
            return None
        return max(self._not_before - time.monotonic(), 0.0)

    async def add(self, event: Event, *, shown: bool) -> dict[str, object]:
        """Return the event's data; when due, with ``html`` and with the text that the HTML does not contain yet."""
        if event.type in (types.RESET, types.RESYNC):
            self._text, self._unrendered, self._not_before = "", None, 0.0
        elif event.type == types.COMPLETED:
            self._text, self._unrendered = event.data["text"], None if "link" in event.data else event
        elif event.type == types.DELTA:
            self._text += event.data["text"]
            self._unrendered = event
        if not shown or self._unrendered is None or (event.type == types.DELTA and self.due_in_s != 0):
            return event.data
        return await self._with_html(event, event.data)

    async def catch_up(self) -> Event:
        """Return a delta without text that renders the words sent before: the model pauses."""
        assert self._unrendered is not None
        last = self._unrendered
        data = await self._with_html(last, {**last.data, "text": ""})
        return Event(types.START, types.DELTA, data)

    async def _with_html(self, event: Event, data: dict[str, object]) -> dict[str, object]:
        begun = time.monotonic()
        render = _render_growing if event.type == types.DELTA else _render_whole
        html = await asyncio.get_running_loop().run_in_executor(_threads, render, self._text)
        self._unrendered = None
        self._not_before = time.monotonic() + max(EVERY_S, IDLE_FACTOR * (time.monotonic() - begun))
        with_html = {**data, **html}
        return with_html if len(json.dumps(with_html, ensure_ascii=False).encode()) <= types.MAX_BYTES else data


def _render_growing(text: str) -> dict[str, object]:
    part = growing.split(text)
    html = markdown.render(part.text, growing=True)
    return {"html": html, "unrendered": part.unrendered, "continues": part.continues}


def _render_whole(text: str) -> dict[str, object]:
    return {"html": markdown.render(text)}
