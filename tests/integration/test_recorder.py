"""The row knows every call with effects before it is made, and what an earlier attempt made is not made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
import redis.asyncio
from django.db import connection

from aiops import keyspace, settings
from aiops.agent.ports import Earlier
from aiops.conversations import transitions
from aiops.conversations.models import Message, Run
from aiops.conversations.transitions import Claim, Ending
from aiops.events.redaction import Redactor
from aiops.events.writer import EventWriter
from aiops.runs import conclusion, rows
from aiops.runs.recorder import ARGUMENTS_BYTES, Recorder
from aiops.tools.values import RemoteTool

TOOL = RemoteTool("net_change", "net", "change", "Change something.", {"type": "object"}, read_only=False)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claim(ask: Callable[..., Run], sent: list[str]) -> Claim:
    made = transitions.claim(str(ask().pk), worker="w", lease_s=60)
    assert made is not None
    return made


class Bench(SimpleNamespace):
    """What a recorder needs of its process: real threads, a real database and a real Redis."""

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        def call() -> Any:
            try:
                return function(*args)
            finally:
                connection.close()

        return await asyncio.get_running_loop().run_in_executor(self.threads, call)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    client = keyspace.async_client(settings.current().redis_url.get_secret_value())
    with ThreadPoolExecutor(4) as threads:
        yield Bench(threads=threads, redactor=Redactor(), redis=client)
    await client.aclose()


async def recorder(claim: Claim, bench: Bench) -> Recorder:
    assignment = await bench.in_thread(rows.assignment, claim)
    client: redis.asyncio.Redis = bench.redis
    events = EventWriter(client, claim.run_id, fence=1, message_id="m", redactor=bench.redactor, ttl_s=60)
    return Recorder(assignment, bench, events)  # type: ignore[arg-type]


async def stored(claim: Claim, bench: Bench) -> dict[str, dict[str, Any]]:
    steps = await bench.in_thread(lambda: Run.objects.values_list("steps", flat=True).get(pk=claim.run_id))
    return {step["call_id"]: step for step in steps}


async def test_calls_made_at_once_are_all_in_the_row_before_any_is_made(claim: Claim, bench: Bench) -> None:
    records = await recorder(claim, bench)
    for turn in range(5):
        ids = [f"{turn}-{n}" for n in range(5)]
        await asyncio.gather(*(records.tool_started(i, tool=TOOL, name=TOOL.name, arguments={}) for i in ids))
        assert set(ids) <= set(await stored(claim, bench))


async def test_what_an_earlier_attempt_made_is_told_and_not_made_again(claim: Claim, bench: Bench) -> None:
    first = await recorder(claim, bench)
    for call_id in ("ended", "begun"):
        assert await first.tool_started(call_id, tool=TOOL, name=TOOL.name, arguments={"key": 1}) is None
    await first.tool_finished("ended", status="ok", ms=1, result="changed " + "x" * 5_000)
    second = await recorder(claim, bench)
    assert await second.tool_started("ended", tool=TOOL, name=TOOL.name, arguments={}) == Earlier(
        "ok", "changed " + "x" * 5_000
    )
    unknown = await second.tool_started("begun", tool=TOOL, name=TOOL.name, arguments={})
    assert unknown is not None
    assert unknown.status == "unknown"
    assert await second.tool_started("new", tool=TOOL, name=TOOL.name, arguments={}) is None


async def test_large_arguments_are_cut_however_deep_they_are(claim: Claim, bench: Bench) -> None:
    records = await recorder(claim, bench)
    await records.tool_started("a", tool=TOOL, name=TOOL.name, arguments={"deep": [{"text": "x" * 200_000}]})
    assert len(str((await stored(claim, bench))["a"]["arguments"])) < ARGUMENTS_BYTES + 100


async def test_an_answer_that_cannot_be_stored_ends_the_run_all_the_same(claim: Claim, bench: Bench) -> None:
    ending = Ending(Run.State.SUCCEEDED, "half a pair: \ud800")
    assignment = await bench.in_thread(rows.assignment, claim)
    written, _ = await conclusion._finish(assignment, ending, bench)  # type: ignore[arg-type]
    assert written is not None
    assert written.state == Run.State.FAILED
    run = await bench.in_thread(lambda: Run.objects.get(pk=claim.run_id))
    assert (run.state, run.error["code"]) == ("failed", "internal_error")
    assert not await bench.in_thread(lambda: Message.objects.filter(pk=run.answer_id).exists())
