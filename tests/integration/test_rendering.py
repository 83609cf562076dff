"""What a browser gets of a growing answer: rendered words, soon, also when the model pauses."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator

import pytest

from aiops.events import types
from aiops.events.types import Event, EventId
from aiops.web import markdown
from aiops.web.doors import sse
from aiops.web.doors.rendering import Rendering


def delta(seq: int, text: str) -> Event:
    return types.make("r", EventId(1, seq), types.DELTA, {"message": "m", "text": text})


async def test_words_before_a_pause_are_rendered_though_no_event_follows() -> None:
    paused = asyncio.Event()

    async def feed() -> AsyncGenerator[Event]:
        yield delta(1, "| a | b |\n")
        yield delta(2, "|---|---|\n| 1 | 2 |\n")
        await paused.wait()
        yield types.make("r", EventId(1, 3), types.SUCCEEDED, {})

    lines = sse._lines(feed(), types.START, html=True)
    first, second = await anext(lines), await anext(lines)
    assert "html" in json.loads(first.data)
    assert "html" not in json.loads(second.data)
    third = await asyncio.wait_for(anext(lines), 20)
    assert (third.event, third.id) == ("message.delta", None)
    assert json.loads(third.data)["text"] == ""
    assert "<td>2</td>" in json.loads(third.data)["html"]
    paused.set()
    last = await asyncio.wait_for(anext(lines), 20)
    assert (last.event, last.id) == ("run.succeeded", "1-3")
    assert [line async for line in lines] == []


async def test_a_viewer_who_leaves_in_a_pause_ends_the_feed() -> None:
    ended = asyncio.Event()

    async def feed() -> AsyncGenerator[Event]:
        try:
            yield delta(1, "a")
            await asyncio.Event().wait()
        finally:
            ended.set()

    lines = sse._lines(feed(), types.START, html=True)
    await anext(lines)
    leaving = asyncio.create_task(anext(lines))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait({leaving})
    await lines.aclose()
    assert ended.is_set()


async def test_rendering_happens_in_few_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    render = markdown.render

    def recorded(text: str, **options: bool) -> str:
        names.add(threading.current_thread().name.rpartition("_")[0])
        return render(text, **options)

    monkeypatch.setattr(markdown, "render", recorded)
    await asyncio.gather(*(Rendering().add(delta(1, f"text {n}"), shown=True) for n in range(20)))
    assert names == {"rendering"}
