"""What a model says and what a tool returns is made storable before it reaches a row, the stream, memory or a tool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings as django_settings
from langchain_core.messages import AIMessageChunk, ToolCallChunk

from aiops import database, keyspace, settings, untrusted
from aiops.agent import build
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.values import Limits
from aiops.batches import lifecycle as batches
from aiops.conversations.models import Message
from aiops.events import types
from aiops.events.redaction import Redactor
from aiops.llm import clients
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.work import rows, story
from aiops.runs.work.stopping import Stop
from aiops.tool_servers.client.pool import Catalogue
from aiops.tool_servers.client.values import RemoteTool, ToolClass, ToolResult
from tests.integration.scripted_model import ScriptedModel
from tests.models import STUB, gives, only

LIMITS = Limits(5, 5, 10, 1, 10, 10_000, 10_000)
ANY = {"type": "object", "properties": {}, "additionalProperties": True}
TOOL = RemoteTool("t_write", "t", "write", "Write.", ANY, tool_class=ToolClass.WRITE)
NUL, HALF = "\0", "\ud83d"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("writes_allowed")]


class Tools:
    """A pool of one tool; ``called`` has the arguments of every call."""

    def __init__(self, result: str) -> None:
        self.called: list[dict[str, Any]] = []
        self._result = result

    async def catalogue(self, **_: Any) -> Catalogue:
        return Catalogue((TOOL,), ())

    async def call(self, tool: RemoteTool, arguments: dict[str, Any], **_: Any) -> ToolResult:
        self.called.append(arguments)
        return ToolResult(self._result)


@pytest.fixture
async def answered(
    ask: Callable[..., Run], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Any]]:
    """Run one message through to its end; returns its row, its events, its memory and the pool."""
    client = keyspace.async_client(settings.current().redis_url.get_secret_value())
    saver = ProcessSaver()

    async def in_thread(function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(
            threads, partial(database.with_connection, function, *args)
        )

    async def run(turns: list[list[AIMessageChunk]], *, result: str = "done") -> Any:
        monkeypatch.setattr(clients, "make", gives(ScriptedModel(turns=turns)))
        tools = Tools(result)
        context = SimpleNamespace(
            settings=django_settings.SETTINGS,
            limits=LIMITS,
            redis=client,
            memory=lambda: saver,
            memory_away=(),
            tools=tools,
            redactor=Redactor(),
            clients=clients.Clients(django_settings.SETTINGS),
            pacer=None,
            in_thread=in_thread,
        )
        made = await in_thread(ask)
        claimed = await in_thread(lambda: transitions.claim(str(made.pk), worker="w", lease_s=60))
        await story.answer(await in_thread(rows.assignment, claimed, batches.schema_of, only(STUB)), context, Stop())
        row = await in_thread(lambda: Run.objects.get(pk=made.pk))
        said = await in_thread(lambda: list(Message.objects.filter(conversation=row.conversation_id).order_by("pk")))
        events = [types.Event.loads(e[b"e"]) for _, e in await client.xrange(keyspace.events(str(made.pk)))]
        memory = await saver.aget_tuple({"configurable": {"thread_id": str(row.conversation_id)}})
        known = memory.checkpoint["channel_values"]["messages"] if memory else []
        return SimpleNamespace(row=row, said=said, events=events, known=known, tools=tools)

    build._compiled.cache_clear()
    with ThreadPoolExecutor(2) as threads:
        yield run
    build._compiled.cache_clear()
    await client.aclose()


def words(*texts: str) -> list[AIMessageChunk]:
    return [*(AIMessageChunk(text, id="m") for text in texts), AIMessageChunk("", id="m", chunk_position="last")]


def call(arguments: str, *, id_: str = "c1", name: str = TOOL.name) -> list[AIMessageChunk]:
    chunk = ToolCallChunk(name=name, args=arguments, id=id_, index=0)
    return [AIMessageChunk("", id="m", tool_call_chunks=[chunk]), AIMessageChunk("", id="m", chunk_position="last")]


def assert_storable(value: Any) -> None:
    assert untrusted.faults(value, max_depth=100) == {}


def assert_all_storable(seen: Any) -> None:
    assert_storable([seen.row.answer, seen.row.steps, seen.row.notices, seen.row.error, [m.text for m in seen.said]])
    assert_storable([event.data for event in seen.events])
    assert_storable([message.model_dump() for message in seen.known])
    assert_storable(seen.tools.called)


async def test_an_answer_with_what_cannot_be_stored_is_stored_without_it(answered: Any) -> None:
    seen = await answered([words(f"a{NUL}b ", f"c{HALF} ", "d", HALF)])
    assert (seen.row.state, seen.row.answer) == (State.SUCCEEDED, "a\ufffdb c\ufffd d\ufffd")
    assert_all_storable(seen)


async def test_a_character_that_was_streamed_in_two_halves_is_one(answered: Any) -> None:
    seen = await answered([words("so \ud83d", "\ude00 good")])
    assert seen.row.answer == "so \U0001f600 good"
    assert "".join(e.data["text"] for e in seen.events if e.type == types.DELTA) == seen.row.answer
    assert_all_storable(seen)


@pytest.mark.parametrize(
    "arguments",
    [
        '{"text": "a\\u0000b", "more": [{"x": "\\ud83d"}]}',
        '{"a\\u0000": 1, "\\ud800": 2}',
        '{"n": NaN, "m": [Infinity, 1e999]}',
        '{"n": ' + "9" * 4_000 + "}",
    ],
)
async def test_a_tool_is_called_with_what_can_be_stored(answered: Any, arguments: str) -> None:
    seen = await answered([call(arguments), words("done")])
    assert seen.row.state == State.SUCCEEDED
    assert len(seen.tools.called) == 1
    assert_all_storable(seen)


@pytest.mark.parametrize("levels", [60, 300, 1_000])
async def test_a_call_whose_arguments_are_nested_too_deep_is_not_made_and_says_why(answered: Any, levels: int) -> None:
    seen = await answered([call('{"a": ' * levels + "1" + "}" * levels), words("done")])
    assert (seen.row.state, seen.row.answer, seen.tools.called) == (State.SUCCEEDED, "done", [])
    [step] = seen.row.steps
    assert step["status"] == "error"
    assert "nested" in step["preview"]
    assert_all_storable(seen)


@pytest.mark.parametrize("result", [f"a{NUL}b", HALF, json.dumps({"x": "\ud800"})])
async def test_a_result_with_what_cannot_be_stored_is_shown_without_it(answered: Any, result: str) -> None:
    seen = await answered([call("{}"), words("done")], result=result)
    assert (seen.row.state, seen.row.answer) == (State.SUCCEEDED, "done")
    assert_all_storable(seen)


@pytest.mark.parametrize(
    ("id_", "name"), [(f"c{NUL}", TOOL.name), (f"c{HALF}", TOOL.name), ("c1", f"no{NUL}such{HALF}")]
)
async def test_ids_and_names_of_calls_can_be_stored(answered: Any, id_: str, name: str) -> None:
    seen = await answered([call("{}", id_=id_, name=name), words("done")])
    assert seen.row.state == State.SUCCEEDED
    assert_all_storable(seen)
