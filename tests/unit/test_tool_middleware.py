"""The middleware around tool calls: steps, truncation, redaction and errors."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp

from aiops.agent.middleware.calls_per_run import CallsPerRun
from aiops.agent.middleware.redaction import Redaction
from aiops.agent.middleware.steps import Steps
from aiops.agent.middleware.tool_call import ToolCall
from aiops.agent.middleware.truncation import Truncation
from aiops.agent.ports import Earlier, MadeCall
from aiops.events.redaction import Redactor
from aiops.tool_servers.client.errors import ServerDown, ToolTimeout
from aiops.tool_servers.client.values import Progress, RemoteTool, ToolResult

TOOL = RemoteTool("net_change", "net", "change", "Change something.", {"type": "object"})
CALL = {"name": TOOL.name, "args": {"key": 1}, "id": "c1"}


class Recorded:
    """A watcher that keeps what it sees."""

    user_id = "ann"

    def __init__(self, earlier: Earlier | None = None, *, before: int = 0) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self._earlier = earlier
        self._before = before

    def idempotency_key(self, call_id: str) -> str:
        return f"run:{call_id}"

    def calls_before(self, call_id: str) -> int:
        assert call_id == CALL["id"]
        return self._before

    async def tool_started(self, call_id: str, *, tool: Any, name: str, arguments: dict[str, Any]) -> Earlier | None:
        self.seen.append(("started", call_id, tool, name, arguments))
        return self._earlier

    def tool_called(self, call_id: str, made: MadeCall) -> None:
        assert made.ms >= 0
        self.seen.append(("called", call_id, made.tool, made.arguments, made.outcome, made.size))

    def tool_progress(self, call_id: str, progress: Progress) -> None:
        self.seen.append(("progress", call_id, progress))

    async def tool_finished(self, call_id: str, *, status: str, ms: float, result: str) -> None:
        assert ms >= 0
        self.seen.append(("finished", call_id, status, result))


def request(watcher: Recorded | None = None, *, name: str = TOOL.name, theirs: Any = None) -> Any:
    call = {**CALL, "name": name}
    return SimpleNamespace(tool_call=call, tool=theirs, runtime=SimpleNamespace(context=watcher or Recorded()))


def returning(text: str, status: Any = "success") -> Callable[[Any], Awaitable[ToolMessage]]:
    async def handler(_: Any) -> ToolMessage:
        return ToolMessage(text, tool_call_id="c1", status=status, artifact={"whole": text})

    return handler


def raising(error: BaseException) -> Callable[[Any], Awaitable[ToolMessage]]:
    async def handler(_: Any) -> ToolMessage:
        raise error

    return handler


async def test_a_long_tool_result_is_cut_and_says_so() -> None:
    result = await Truncation({}, max_bytes=101).awrap_tool_call(request(), returning("é" * 1_000))
    assert result.text.startswith("é" * 50 + "\n[cut: the first 101 of 2000 bytes")
    assert result.artifact is None


async def test_a_tool_result_within_the_limit_stays_whole() -> None:
    result = await Truncation({}, max_bytes=4).awrap_tool_call(request(), returning("éé"))
    assert result.text == "éé"


async def test_a_tool_may_say_as_much_as_was_decided_for_it() -> None:
    more, less = (dataclasses.replace(TOOL, max_result_bytes=most) for most in (20, 2))
    for tool, kept in ((more, "é" * 10), (less, "é\n[cut: the first 2 of 20 bytes; ask for less]")):
        truncation = Truncation({TOOL.name: tool}, max_bytes=4)
        assert (await truncation.awrap_tool_call(request(), returning("é" * 10))).text == kept


@pytest.mark.parametrize(("before", "is_made"), [(0, True), (1, True), (2, False), (3, False)])
async def test_a_tool_is_called_as_often_in_a_run_as_was_decided_for_it(before: int, is_made: bool) -> None:
    limited = CallsPerRun({TOOL.name: dataclasses.replace(TOOL, calls_per_run=2)})
    result = await limited.awrap_tool_call(request(Recorded(before=before)), returning("done"))
    assert (result.text == "done") is is_made
    assert result.status == ("success" if is_made else "error")
    unlimited = CallsPerRun({TOOL.name: TOOL})
    assert (await unlimited.awrap_tool_call(request(Recorded(before=before)), returning("done"))).text == "done"


async def test_a_secret_in_a_tool_result_is_hidden_from_the_model() -> None:
    redaction = Redaction(Redactor(values=["canary-secret"]))
    result = await redaction.awrap_tool_call(request(), returning("the key is canary-secret."))
    assert "canary-secret" not in str(result)
    assert result.text.startswith("the key is ")


@pytest.mark.parametrize(("status", "shown"), [("success", "ok"), ("error", "error")])
async def test_a_tool_call_is_a_step_from_its_start_to_its_result(status: str, shown: str) -> None:
    watcher = Recorded()
    result = await Steps({TOOL.name: TOOL}).awrap_tool_call(request(watcher), returning("done", status))
    assert result.text == "done"
    assert watcher.seen == [("started", "c1", TOOL, TOOL.name, {"key": 1}), ("finished", "c1", shown, "done")]


async def test_a_tool_call_that_an_earlier_attempt_made_is_not_made_again() -> None:
    watcher = Recorded(Earlier("ok", "changed"))
    result = await Steps({TOOL.name: TOOL}).awrap_tool_call(request(watcher), raising(AssertionError("made again")))
    assert (result.text, result.status, result.tool_call_id) == ("changed", "success", "c1")
    assert watcher.seen[1:] == [("finished", "c1", "ok", "changed")]


async def test_a_stopped_tool_call_is_a_step_of_unknown_outcome() -> None:
    watcher = Recorded()
    with pytest.raises(asyncio.CancelledError):
        await Steps({}).awrap_tool_call(request(watcher), raising(asyncio.CancelledError()))
    assert watcher.seen[1:] == [("finished", "c1", "unknown", "stopped")]


class Pool:
    """Tools that answer with what they are given."""

    def __init__(self, answer: ToolResult | BaseException, progress: Progress | None = None) -> None:
        self.calls: list[Any] = []
        self._answer = answer
        self._progress = progress

    async def call(
        self,
        tool: RemoteTool,
        arguments: dict[str, Any],
        *,
        user_id: str,
        on_progress: Callable[[Progress], None],
        key: str,
    ) -> ToolResult:
        assert (user_id, key) == (Recorded.user_id, f"run:{CALL['id']}")
        self.calls.append((tool, arguments))
        if self._progress is not None:
            on_progress(self._progress)
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer


def tool_call(pool: Pool) -> ToolCall:
    return ToolCall(pool, {TOOL.name: TOOL}, ("ipam",))


NEVER = raising(AssertionError("LangChain's own tool layer was used"))


@pytest.mark.parametrize(("failed", "status"), [(False, "success"), (True, "error")])
async def test_a_tool_is_called_with_the_arguments_themselves(failed: bool, status: str) -> None:
    pool = Pool(ToolResult("done", failed=failed))
    result = await tool_call(pool).awrap_tool_call(request(), NEVER)
    assert (result.text, result.status, result.tool_call_id, result.name) == ("done", status, "c1", TOOL.name)
    assert pool.calls == [(TOOL, CALL["args"])]
    assert pool.calls[0][1] is CALL["args"]


async def test_the_progress_of_a_call_is_reported_as_its_own() -> None:
    watcher, half = Recorded(), Progress(1, 2, "half")
    await tool_call(Pool(ToolResult("done"), half)).awrap_tool_call(request(watcher), NEVER)
    assert watcher.seen[:1] == [("progress", "c1", half)]


@pytest.mark.parametrize(
    ("answer", "outcome", "size"),
    [
        (ToolResult("é"), "ok", 2),
        (ToolResult("no", failed=True), "error", 2),
        (ServerDown("net is down"), "error", 0),
        (asyncio.CancelledError(), "unknown", 0),
    ],
)
async def test_each_call_that_is_made_is_recorded_with_its_outcome(answer: Any, outcome: str, size: int) -> None:
    watcher = Recorded()
    with contextlib.suppress(asyncio.CancelledError):
        await tool_call(Pool(answer)).awrap_tool_call(request(watcher), NEVER)
    assert watcher.seen == [("called", "c1", TOOL, CALL["args"], outcome, size)]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ServerDown("net is down"), "net is down"),
        (ToolTimeout("too slow"), "too slow"),
        (KeyError("k"), "The tool failed: KeyError: 'k'"),
    ],
)
async def test_a_tool_that_raises_gives_the_model_an_error_it_can_read(error: Exception, text: str) -> None:
    result = await tool_call(Pool(error)).awrap_tool_call(request(), NEVER)
    assert (result.text, result.status, result.tool_call_id, result.name) == (text, "error", "c1", TOOL.name)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ipam_find", "The tool 'ipam_find' cannot be called now: the tool server 'ipam' is not available."),
        ("made_up", "There is no tool 'made_up'."),
    ],
)
async def test_a_tool_that_is_not_offered_gives_the_model_the_reason(name: str, text: str) -> None:
    result = await tool_call(Pool(ToolResult("never"))).awrap_tool_call(request(name=name), NEVER)
    assert (result.text, result.status, result.name) == (text, "error", name)


async def test_a_tool_of_other_middleware_is_left_to_it() -> None:
    theirs = request(name="theirs", theirs=object())
    result = await tool_call(Pool(ToolResult("never"))).awrap_tool_call(theirs, returning("by theirs"))
    assert result.text == "by theirs"


@pytest.mark.parametrize("error", [GraphBubbleUp(), asyncio.CancelledError()])
async def test_an_interrupt_or_a_cancellation_passes_through_a_tool_call(error: BaseException) -> None:
    with pytest.raises(type(error)):
        await tool_call(Pool(error)).awrap_tool_call(request(), NEVER)
