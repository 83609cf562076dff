"""The row knows every call with effects before it is made, and what an earlier attempt made is not made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import redis.asyncio
from django.db import connection

from aiops import keyspace, settings
from aiops.agent.ports import Earlier, MadeCall
from aiops.audit.actions import Action
from aiops.audit.models import AuditRow
from aiops.batches import lifecycle as batches
from aiops.conversations.models import Message
from aiops.events import types
from aiops.events.redaction import Redactor
from aiops.events.writer import EventWriter
from aiops.llm.environment import OFFLINE_MODEL
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.transitions import Claimed, Ending
from aiops.runs.work import conclusion, rows
from aiops.runs.work import recorder as recorder_module
from aiops.runs.work.recorder import LostClaim, Recorder
from aiops.runs.work.steps import ARGUMENTS_BYTES
from aiops.tool_servers.client.canonical import hash_of_arguments
from aiops.tool_servers.client.values import Progress, RemoteTool, ToolClass
from aiops.tool_servers.models import ToolCall
from tests.models import only

TOOL = RemoteTool("net_change", "net", "change", "Change something.", {"type": "object"}, tool_class=ToolClass.WRITE)
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def claimed(ask: Callable[..., Run], sent: list[str]) -> Claimed:
    made = transitions.claim(str(ask().pk), worker="w", lease_s=60)
    assert made is not None
    return made


class Context(SimpleNamespace):
    """What a recorder needs of its process: real threads, a real database and a real Redis."""

    async def in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        def call() -> Any:
            try:
                return function(*args)
            finally:
                connection.close()

        return await asyncio.get_running_loop().run_in_executor(self.threads, call)


@pytest.fixture
async def context() -> AsyncIterator[Context]:
    client = keyspace.async_client(settings.current().redis_url.get_secret_value())
    with ThreadPoolExecutor(4) as threads:
        yield Context(threads=threads, redactor=Redactor(), redis=client)
    await client.aclose()


async def recorder(claimed: Claimed, context: Context) -> Recorder:
    now = await context.in_thread(lambda: Run.objects.select_related("message").get(pk=claimed.claim.run_id))
    claim = replace(claimed, run=now)
    assignment = await context.in_thread(rows.assignment, claim, batches.schema_of, only(OFFLINE_MODEL))
    client: redis.asyncio.Redis = context.redis
    events = EventWriter(client, claimed.claim.run_id, fence=1, message_id="m", redactor=context.redactor, ttl_s=60)
    return Recorder(assignment, context, events)  # type: ignore[arg-type]


async def stored(claimed: Claimed, context: Context) -> dict[str, dict[str, Any]]:
    steps = await context.in_thread(lambda: Run.objects.values_list("steps", flat=True).get(pk=claimed.claim.run_id))
    return {step["call_id"]: step for step in steps}


async def test_calls_made_at_once_are_all_in_the_row_before_any_is_made(claimed: Claimed, context: Context) -> None:
    records = await recorder(claimed, context)
    for turn in range(5):
        ids = [f"{turn}-{n}" for n in range(5)]
        await asyncio.gather(*(records.tool_started(i, tool=TOOL, name=TOOL.name, arguments={}) for i in ids))
        assert set(ids) <= set(await stored(claimed, context))


async def test_a_tool_call_of_an_earlier_attempt_is_returned_and_not_repeated(
    claimed: Claimed, context: Context
) -> None:
    first = await recorder(claimed, context)
    for call_id in ("ended", "begun"):
        assert await first.tool_started(call_id, tool=TOOL, name=TOOL.name, arguments={"key": 1}) is None
    await first.tool_finished("ended", status="ok", ms=1, result="changed " + "x" * 5_000)
    second = await recorder(claimed, context)
    assert await second.tool_started("ended", tool=TOOL, name=TOOL.name, arguments={}) == Earlier(
        "ok", "changed " + "x" * 5_000
    )
    unknown = await second.tool_started("begun", tool=TOOL, name=TOOL.name, arguments={})
    assert unknown is not None
    assert unknown.status == "unknown"
    assert await second.tool_started("new", tool=TOOL, name=TOOL.name, arguments={}) is None


async def test_large_arguments_are_cut_however_deep_they_are(claimed: Claimed, context: Context) -> None:
    records = await recorder(claimed, context)
    await records.tool_started("a", tool=TOOL, name=TOOL.name, arguments={"deep": [{"text": "x" * 200_000}]})
    assert len(str((await stored(claimed, context))["a"]["arguments"])) < ARGUMENTS_BYTES + 100


async def test_an_answer_that_cannot_be_stored_ends_the_run_all_the_same(claimed: Claimed, context: Context) -> None:
    ending = Ending(State.SUCCEEDED, "half a pair: \ud800")
    assignment = await context.in_thread(rows.assignment, claimed, batches.schema_of, only(OFFLINE_MODEL))
    written, _ = await conclusion._finish(assignment, ending, context)  # type: ignore[arg-type]
    assert written is not None
    assert written.state == State.FAILED
    run = await context.in_thread(lambda: Run.objects.get(pk=claimed.claim.run_id))
    assert (run.state, run.error["code"]) == ("failed", "internal_error")
    assert not await context.in_thread(lambda: Message.objects.filter(pk=run.answer_id).exists())


async def events(claimed: Claimed, context: Context, kind: str) -> list[dict[str, Any]]:
    entries = await context.redis.xrange(keyspace.events(claimed.claim.run_id))
    return [event.data for event in (types.Event.loads(entry[b"e"]) for _, entry in entries) if event.type == kind]


async def test_of_much_progress_the_latest_is_shown_from_time_to_time(
    claimed: Claimed, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "PROGRESS_S", 0.1)
    records = await recorder(claimed, context)
    await records.tool_started("c", tool=TOOL, name=TOOL.name, arguments={})
    for n in range(500):
        records.tool_progress("c", Progress(n, 500, f"device {n}"))
    records.tool_progress("d", Progress(1))  # of no call that is known
    await asyncio.sleep(0.05)
    records.tool_progress("c", Progress(501))
    await asyncio.sleep(0.4)
    await records.tool_finished("c", status="ok", ms=1, result="done")
    records.tool_progress("c", Progress(502))
    await records.close()
    shown = [
        {name: data[name] for name in ("call_id", "progress", "total", "text") if name in data}
        for data in await events(claimed, context, types.TOOL_PROGRESS)
    ]
    assert shown == [
        {"call_id": "c", "progress": 499, "total": 500, "text": "device 499"},
        {"call_id": "c", "progress": 501},
    ]


async def test_a_tool_whose_last_call_failed_is_named_once_and_one_that_worked_again_is_not(
    claimed: Claimed, context: Context
) -> None:
    records = await recorder(claimed, context)
    other = RemoteTool("net_read", "net", "read", "Read.", {"type": "object"}, tool_class=ToolClass.READ)
    outcomes = [(TOOL, "error", "no route\nto host"), (TOOL, "error", "no route\nto host")]
    outcomes += [(other, "error", "busy"), (other, "ok", "fine")]
    for number, (tool, status, said) in enumerate(outcomes):
        await records.tool_started(str(number), tool=tool, name=tool.name, arguments={})
        await records.tool_finished(str(number), status=status, ms=1, result=said)
    await records.report_failed_tools()
    assert records.notices == [{"code": "tool_failed", "text": "The tool net · change failed: no route to host"}]
    await records.close()


@pytest.mark.parametrize("in_clear", [False, True])
async def test_a_call_that_was_made_is_recorded_with_its_step_and_others_are_not(
    claimed: Claimed, context: Context, in_clear: bool
) -> None:
    context.settings = SimpleNamespace(record_tool_arguments=in_clear)
    records = await recorder(claimed, context)
    arguments = {"b": 1, "a": "key sk-canary-0123456789abcdef0123"}
    for call_id in ("made", "refused"):
        await records.tool_started(call_id, tool=TOOL, name=TOOL.name, arguments=arguments)
    records.tool_called("made", MadeCall(TOOL, arguments, "ok", 12.34, 2_000))
    for call_id in ("made", "refused"):
        await records.tool_finished(call_id, status="ok", ms=13, result="done")
    await records.close()
    (call,) = await context.in_thread(lambda: list(ToolCall.objects.all()))
    assert (call.server, call.name, call.tool_class, call.outcome) == ("net", "change", "write", "ok")
    assert (str(call.run), call.ms, call.bytes) == (claimed.claim.run_id, 12.3, 2_000)
    assert call.arguments_hash == hash_of_arguments(dict(reversed(arguments.items())))
    assert (call.arguments is None) is not in_clear
    (row,) = await context.in_thread(lambda: list(AuditRow.objects.filter(action=Action.TOOL_CALLED)))
    assert (row.actor, row.object, row.details["outcome"]) == ("ann", "tool:net/change", "ok")
    assert (row.details["run"], row.details["arguments_hash"]) == (claimed.claim.run_id, call.arguments_hash)
    assert row.details.get("arguments") == call.arguments
    assert "canary" not in str(call.arguments) + str(row.details)


async def test_a_call_that_only_reads_is_not_in_the_audit_log(claimed: Claimed, context: Context) -> None:
    context.settings = SimpleNamespace(record_tool_arguments=False)
    records = await recorder(claimed, context)
    for number, kind in enumerate(ToolClass):
        tool = replace(TOOL, tool_class=kind, remote_name=kind.value)
        await records.tool_started(str(number), tool=tool, name=tool.name, arguments={})
        records.tool_called(str(number), MadeCall(tool, {}, "ok", 1, 1))
        await records.tool_finished(str(number), status="ok", ms=1, result="done")
    await records.close()
    found = await context.in_thread(lambda: sorted(AuditRow.objects.values_list("object", flat=True)))
    assert found == ["tool:net/destructive", "tool:net/unknown", "tool:net/write"]


async def test_a_worker_that_has_lost_its_run_records_no_call(claimed: Claimed, context: Context) -> None:
    context.settings = SimpleNamespace(record_tool_arguments=False)
    records = await recorder(claimed, context)
    await records.tool_started("c", tool=TOOL, name=TOOL.name, arguments={})
    records.tool_called("c", MadeCall(TOOL, {}, "ok", 1, 1))
    await context.in_thread(lambda: Run.objects.update(fence=99))
    with pytest.raises(LostClaim):
        await records.tool_finished("c", status="ok", ms=1, result="done")
    assert await context.in_thread(ToolCall.objects.count) == 0
    assert await context.in_thread(AuditRow.objects.count) == 0
