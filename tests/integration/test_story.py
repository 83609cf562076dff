"""A run from its claim to its last event: words, steps and end, with a scripted model and no worker process.

More than 250 lines: a run has many parts, which are set up once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware
from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.types import Command, interrupt

from aiops import keyspace
from aiops.agent import build, chain, selection
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.values import Limits
from aiops.batches import lifecycle as batches
from aiops.conversations.models import Message
from aiops.events import types
from aiops.llm import clients
from aiops.llm.environment import OFFLINE_MODEL
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.transitions import Claimed
from aiops.runs.work import rows, story
from aiops.runs.work.stopping import Stop, Why
from aiops.tool_servers.client.pool import Catalogue
from aiops.tool_servers.client.values import Progress, RemoteTool, ToolClass, ToolResult
from tests.integration.run_context import run_context
from tests.integration.scripted_model import ScriptedModel, Turn, calling, words
from tests.models import gives, only

LIMITS = Limits(5, 5, 10, 1, 10, 10_000, 10_000)
TOOL = RemoteTool("net_change", "net", "change", "Change something.", {"type": "object"}, tool_class=ToolClass.WRITE)
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("writes_allowed")]


class Tools:
    """A pool of one tool, which calls ``effect``; of none until it has one."""

    effect: Callable[[dict[str, Any]], str] | None = None

    progress: Progress | None = None
    others: tuple[RemoteTool, ...] = ()

    async def catalogue(self, **_: Any) -> Catalogue:
        return Catalogue((*self.others, *((TOOL,) if self.effect else ())), ())

    async def call(
        self, tool: RemoteTool, arguments: dict[str, Any], *, on_progress: Callable[[Progress], None], **_: Any
    ) -> ToolResult:
        assert tool == TOOL
        assert self.effect is not None
        if self.progress is not None:
            on_progress(self.progress)
            await asyncio.sleep(0.1)
        return ToolResult(self.effect(arguments))


@pytest.fixture
def claimed(ask: Callable[..., Run], sent: list[str]) -> Claimed:
    made = transitions.claim(str(ask().pk), worker="w", lease_s=60)
    assert made is not None
    return made


@pytest.fixture
async def context() -> AsyncIterator[Any]:
    """What a worker process gives its runs: a real database, a real Redis, no tools, and the offline model."""
    async with run_context(Tools(), LIMITS) as made:
        yield made


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Give every model call its turn."""

    def make(*turns: Turn) -> None:
        build._compiled.cache_clear()
        model = ScriptedModel(turns=list(turns))
        monkeypatch.setattr(clients, "make", gives(model))

    yield make
    build._compiled.cache_clear()


async def answered(claimed: Claimed, context: Any, stop: Stop | None = None) -> Run:
    """Answer a claimed run and return its row."""
    assignment = await context.in_thread(rows.assignment, claimed, batches.schema_of, only(OFFLINE_MODEL))
    await story.answer(assignment, context, stop or Stop())
    run: Run = await context.in_thread(lambda: Run.objects.get(pk=claimed.claim.run_id))
    return run


async def events(claimed: Claimed, context: Any) -> list[types.Event]:
    entries = await context.redis.xrange(keyspace.events(claimed.claim.run_id))
    return [types.Event.loads(entry[b"e"]) for _, entry in entries]


async def test_the_words_of_a_model_stream_as_events_and_become_the_answer(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    script(words("All ", "hosts ", "are up."))
    run = await answered(claimed, context)
    assert (run.state, run.answer) == (State.SUCCEEDED, "All hosts are up.")
    seen = await events(claimed, context)
    deltas = [event.data["text"] for event in seen if event.type == types.DELTA]
    assert "".join(deltas) == "All hosts are up."
    assert [event.type for event in seen if event.type != types.DELTA] == [
        types.STARTED,
        types.COMPLETED,
        types.SUCCEEDED,
    ]
    assert [event.id for event in seen] == sorted(event.id for event in seen)


async def test_calls_to_which_a_provider_gives_one_id_are_all_made_and_recorded(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    made: list[dict[str, Any]] = []
    context.tools.effect = lambda arguments: made.append(arguments) or f"changed {arguments['key']}"
    script(*(calling(TOOL.name, f'{{"key": {key}}}', call_id="call_0") for key in range(3)), words("Done."))
    run = await answered(claimed, context)
    assert made == [{"key": 0}, {"key": 1}, {"key": 2}]
    assert [(step["status"], step["preview"]) for step in run.steps] == [("ok", f"changed {key}") for key in range(3)]
    assert len({step["call_id"] for step in run.steps}) == 3


async def test_a_call_that_is_not_made_is_a_step_that_says_why_and_the_model_goes_on(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    made: list[dict[str, Any]] = []
    context.tools.effect = lambda arguments: made.append(arguments) or "changed"
    script(calling(TOOL.name, '{"key": 1'), words("I could not."))
    run = await answered(claimed, context)
    assert (run.state, run.answer, made) == (State.SUCCEEDED, "I could not.", [])
    (step,) = run.steps
    assert step["status"] == "error"
    assert "not made" in step["preview"]


async def test_a_tool_call_of_a_model_becomes_a_step_and_its_result_reaches_the_row(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    made: list[dict[str, Any]] = []
    context.tools.effect = lambda arguments: made.append(arguments) or "changed"
    script(calling(TOOL.name, '{"key": 1}'), words("Done."))
    run = await answered(claimed, context)
    assert (run.state, run.answer, made) == (State.SUCCEEDED, "Done.", [{"key": 1}])
    (step,) = run.steps
    assert (step["server"], step["tool"], step["arguments"]) == ("net", "change", {"key": 1})
    assert (step["status"], step["preview"]) == ("ok", "changed")
    kinds = [event.type for event in await events(claimed, context)]
    assert kinds == [
        types.STARTED,
        types.TOOL_STARTED,
        types.TOOL_FINISHED,
        types.DELTA,
        types.COMPLETED,
        types.SUCCEEDED,
    ]


async def test_the_progress_of_a_call_is_an_event_between_its_start_and_its_end(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    context.tools.effect, context.tools.progress = lambda _: "changed", Progress(2, 5, "switch 2")
    script(calling(TOOL.name, "{}"), words("Done."))
    await answered(claimed, context)
    of_call = [event for event in await events(claimed, context) if event.type.startswith("tool.")]
    assert [event.type for event in of_call] == [types.TOOL_STARTED, types.TOOL_PROGRESS, types.TOOL_FINISHED]
    assert len({event.data["call_id"] for event in of_call}) == 1
    assert {name: of_call[1].data[name] for name in ("progress", "total", "text")} == {
        "progress": 2,
        "total": 5,
        "text": "switch 2",
    }


async def test_of_more_tools_than_a_model_takes_the_relevant_ones_are_offered_and_the_run_says_so(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    """The question of these tests says hello; 150 tools have nothing in common with it."""
    greeting = RemoteTool("crm_greet", "crm", "greet", "Say hello.", {"type": "object"}, tool_class=ToolClass.READ)
    many = (RemoteTool(f"crm_t{n}", "crm", f"t{n}", "Read a field.", {"type": "object"}) for n in range(150))
    context.tools.others = (*many, greeting)
    script(words("Hello."))
    offered: list[Any] = []
    compiled = build._compiled

    def build_and_look(spec: Any, rows: Any, tools: tuple[RemoteTool, ...], *given: Any) -> Any:
        offered.extend(tools)
        return compiled(spec, rows, tools, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "_compiled", build_and_look)
        run = await answered(claimed, context)
    assert run.state == State.SUCCEEDED
    assert greeting in offered
    assert len(offered) == selection.MAX_TOOLS
    (notice,) = run.notices
    assert notice["code"] == "tools_left_out"
    assert "offer 151 tools" in notice["text"]
    assert "the 128 that fit your message best" in notice["text"]


async def test_a_run_that_is_answered_twice_under_one_claim_ends_once(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    script(words("First."))
    first = await answered(claimed, context)
    script(words("Second."))
    second = await answered(claimed, context)
    assert (second.answer, second.finished_at) == ("First.", first.finished_at)
    ends = [event.type for event in await events(claimed, context) if event.terminal]
    assert ends == [types.SUCCEEDED]
    said = await context.in_thread(
        lambda: list(Message.objects.filter(role="assistant").values_list("text", flat=True))
    )
    assert said == ["First."]


async def test_a_run_cancelled_in_a_tool_call_keeps_its_words_and_a_step_of_unknown_outcome(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    stop = Stop()
    context.tools.effect = lambda _: stop.ask(Why.CANCEL) or "never seen"
    script([*words("I change it now."), *calling(TOOL.name, "{}")])
    run = await answered(claimed, context, stop)
    assert (run.state, run.answer, run.error) == (State.CANCELLED, "I change it now.", None)
    assert [step["status"] for step in run.steps] == ["unknown"]
    assert (await events(claimed, context))[-1].type == types.CANCELLED


async def test_a_run_whose_memory_cannot_be_read_is_answered_and_says_so(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    class Away(ProcessSaver):
        async def aget_tuple(self, config: Any) -> Any:
            raise ConnectionError("away")

    context.memory, context.memory_away = Away, (ConnectionError,)
    script(words("All hosts are up."))
    run = await answered(claimed, context)
    assert (run.state, run.answer) == (State.SUCCEEDED, "All hosts are up.")
    assert [notice["code"] for notice in run.notices] == [rows.MEMORY_UNAVAILABLE]


async def test_a_model_that_fails_in_mid_answer_ends_the_run_with_its_reason(
    claimed: Claimed, context: Any, script: Callable[..., None]
) -> None:
    script([*words("All ho"), KeyError("choices")])
    run = await answered(claimed, context)
    assert (run.state, run.error["code"]) == (State.FAILED, "model_nonsense")
    assert (await events(claimed, context))[-1].type == types.FAILED


def make_middleware(raising: Callable[[], Any]) -> type[AgentMiddleware[Any, Any]]:
    class Raising(AgentMiddleware[Any, Any]):
        def __init__(self, *_: Any, **__: Any) -> None:
            super().__init__()

        async def abefore_model(self, state: Any, runtime: Any) -> None:
            raising()

    return Raising


def bubble_up() -> None:
    raise GraphBubbleUp


def command_parent() -> None:
    raise ParentCommand(Command(goto="elsewhere"))


def ask_a_person() -> None:
    interrupt("May I?")


@pytest.mark.parametrize("raising", [bubble_up, command_parent, ask_a_person])
async def test_a_run_whose_middleware_leaves_the_graph_fails_and_says_why(
    raising: Callable[[], None], claimed: Claimed, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "Truncation", make_middleware(raising))
    build._compiled.cache_clear()
    try:
        run = await answered(claimed, context)
    finally:
        build._compiled.cache_clear()
    assert run.state == State.FAILED
    assert run.error["code"] == "not_resumable"
    assert not run.error["retry"]
    assert (await events(claimed, context))[-1].type == types.FAILED


async def test_a_run_that_the_offline_model_answers_succeeds(claimed: Claimed, context: Any) -> None:
    run = await answered(claimed, context)
    assert (run.state, bool(run.answer)) == (State.SUCCEEDED, True)
