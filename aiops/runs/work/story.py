"""One run from its claim to its last event, in order."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.errors import GraphBubbleUp
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from aiops import log
from aiops.agent import build, selection
from aiops.agent.memory.run import RunMemory
from aiops.agent.middleware.steps import earlier_result
from aiops.conversations.transcript import PastMessage
from aiops.errors import AiopsError
from aiops.events import types
from aiops.events.writer import EventWriter
from aiops.llm import choice
from aiops.llm.providers import OFFLINE
from aiops.llm.values import ModelSpec
from aiops.runs import transitions
from aiops.runs.states import State
from aiops.runs.transitions import Ending
from aiops.runs.work import conclusion, messages, rows
from aiops.runs.work.context import Assignment, MemoryGap, RunContext
from aiops.runs.work.recorder import LostClaim, Recorder, earlier
from aiops.runs.work.stopping import Stop, Why

logger = log.get(__name__)
INTERRUPT = "__interrupt__"
"""LangGraph 1.x: the key under which a stream's updates hold the interrupts of a graph that has paused."""


async def answer(assignment: Assignment, context: RunContext, stop: Stop) -> None:
    """Answer one message: call the model and tools, publish every step, and write how the run ended.

    Raises only when the database refuses the end: then the lease expires and the reaper takes over.
    """
    events = EventWriter(
        context.redis,
        assignment.claim.run_id,
        fence=assignment.claim.fence,
        message_id=assignment.answer_id,
        redactor=context.redactor,
        ttl_s=context.settings.stream_ttl_s,
    )
    recorder = Recorder(assignment, context, events)
    execution = _Execution(assignment, context, recorder, stop)
    deadline = asyncio.get_running_loop().call_later(assignment.options.deadline_s, stop.ask, Why.DEADLINE)
    state: State = State.SUCCEEDED
    failure: AiopsError | None = None
    with log.bind(run=assignment.claim.run_id, conversation=assignment.conversation_id):
        try:
            with stop.guard():
                await execution.execute()
        except asyncio.CancelledError:
            if stop.why is None:
                raise
            state = State.CANCELLED
            if stop.why is Why.DEADLINE:
                state, failure = State.FAILED, conclusion.deadline_exceeded(assignment)
        except LostClaim:
            stop.why = Why.LOST
        except GraphBubbleUp:  # there is no parent graph to handle it, and a run always ends
            state, failure = State.FAILED, conclusion.not_resumable()
        except Exception as error:  # noqa: BLE001  the last handler: whatever failed, the run must not stay "running"
            state, failure = State.FAILED, conclusion.describe(error)
        finally:
            deadline.cancel()
        await recorder.close()
        await conclusion.conclude(assignment, context, recorder, execution.ending(state, failure), why=stop.why)


def _calls_missing_in_memory(assignment: Assignment, known: list[AnyMessage]) -> list[AnyMessage]:
    """Return, from the row, calls with side effects of earlier attempts that memory has lost."""
    remembered = {call["id"] for message in known if isinstance(message, AIMessage) for call in message.tool_calls}
    made = [step for step in assignment.steps if not step["safe"] and step["call_id"] not in remembered]
    if not made:
        return []
    calls = [{"id": step["call_id"], "name": step["name"], "args": step["arguments"]} for step in made]
    results = [earlier_result(earlier(step), step["call_id"], step["name"]) for step in made]
    return [AIMessage("", tool_calls=calls), *results]


SHOWN_NAMES = 10
"""Names listed in the notice about tools that are left out."""


def _left_out(names: tuple[str, ...], total: int) -> str:
    some = ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
    return (
        f"The tool servers offer {total} tools, more than a model takes: the {total - len(names)} that fit your "
        f"message best were offered to it. Left out: {some}"
    )


def _known(remembered: CheckpointTuple | None) -> list[AnyMessage]:
    """Return the conversation's messages as memory knows them."""
    known: list[AnyMessage] = remembered.checkpoint["channel_values"].get("messages", []) if remembered else []
    return known


class _Execution:
    """The part of a run that can be stopped at any point; ``ending`` then returns what is known."""

    def __init__(self, assignment: Assignment, context: RunContext, recorder: Recorder, stop: Stop) -> None:
        self._stop = stop
        self._assignment = assignment
        self._context = context
        self._recorder = recorder
        self._memory = RunMemory(context.memory(), away=context.memory_away, may_write=lambda: stop.why is not Why.LOST)
        self._config: Any = {
            "configurable": {"thread_id": assignment.conversation_id},
            "metadata": {"run": assignment.claim.run_id},
        }
        self._tokens = {"input_tokens": 0, "output_tokens": 0}
        self._spec: ModelSpec | None = None
        self._reported_memory = False

    async def execute(self) -> None:
        """Read memory, build the agent, stream its steps, and prune memory."""
        assignment, context, recorder = self._assignment, self._context, self._recorder
        await recorder.events.emit(types.STARTED, attempt=assignment.attempt, worker=assignment.worker)
        self._spec = choice.choose(context.settings, assignment.options.stored())
        remembered = await self._memory.aget_tuple(self._config)  # None, with a notice, if its server is down
        await self._report_memory()
        catalogue = await context.tools.catalogue()
        if assignment.options.read_only:
            catalogue = catalogue.read_only()
        for missing in catalogue.missing:
            if missing.required:
                raise conclusion.tool_server_missing(missing)
            await recorder.notice(
                "tool_server_down", f"The tool server {missing.server!r} is missing: {missing.reason}"
            )
        offered, left_out = selection.chosen(catalogue.tools, assignment.text, conversation=_known(remembered))
        if left_out:
            await recorder.notice("tools_left_out", _left_out(left_out, len(catalogue.tools)))
        agent = build.build(
            self._spec,
            replace(catalogue, tools=offered),
            tools=context.tools,
            limits=context.limits,
            redactor=context.redactor,
            memory=self._memory,
            pacer=context.pacer if self._spec.provider != OFFLINE else None,
            answer_schema=assignment.answer_schema,
            instructed=bool(assignment.options.instructions),
        )
        given = await self._input(remembered)
        streamed: Any = agent.astream(
            given,
            self._config,
            context=recorder,
            stream_mode="updates",  # the model's words go from ModelCall to the recorder
            durability=build.durability(catalogue),
        )
        async with contextlib.aclosing(streamed) as steps:
            async for update in steps:
                self._stop.check()
                await self._update(update)
        await recorder.report_failed_tools()
        await self._memory.aprune([assignment.conversation_id])
        await self._report_memory()

    async def _report_memory(self) -> None:
        if self._memory.lost and not self._reported_memory:
            self._reported_memory = True
            await self._recorder.notice(
                rows.MEMORY_UNAVAILABLE, "Memory is unavailable: the transcript is used instead."
            )

    async def _input(self, remembered: Any) -> dict[str, Any] | None:
        """Apply the resume rule: continue this run's checkpoint, else add the message and what memory lacks."""
        assignment, recorder = self._assignment, self._recorder
        run_id = assignment.claim.run_id
        known = _known(remembered)
        of_run = (remembered.metadata or {}).get("run") if remembered else None
        if of_run == run_id:
            since = next((i for i, m in enumerate(known) if m.id == assignment.message_id), len(known))
            answers = [str(m.text) for m in known[since:] if isinstance(m, AIMessage) and m.text and self._is_answer(m)]
            await recorder.resume(answers)
            for message in known[since : since + 1]:
                await self._report_cuts(message)
            forgotten = _calls_missing_in_memory(assignment, known)
            return {"messages": forgotten} if forgotten else None
        if assignment.claim.fence > 1:
            await recorder.resume([])
        gap = MemoryGap(())  # a conversation's first message has none
        if of_run is not None or assignment.position > 1:
            gap = await self._context.in_thread(rows.memory_gap, run_id, of_run)
        if gap.forgotten and remembered is None:
            await recorder.notice("memory_rebuilt", "Memory had expired: I continue from the transcript.")
        asked = PastMessage(assignment.message_id, "user", assignment.text, assignment.attachments)
        added = await messages.for_model(gap.missing, asked, self._context)
        await self._report_cuts(added[-1])
        forget = [RemoveMessage(id=REMOVE_ALL_MESSAGES)] if gap.stale else []
        return {"messages": [*forget, *added, *_calls_missing_in_memory(assignment, [])]}

    async def _report_cuts(self, message: AnyMessage) -> None:
        for cut in messages.cuts(message):
            await self._recorder.notice("attachment_cut", cut)

    async def _update(self, payload: dict[str, Any]) -> None:
        if INTERRUPT in payload:  # LangGraph raises nothing: the stream just ends after an interrupt
            raise conclusion.not_resumable()
        for message in (payload.get("model") or {}).get("messages", []):
            if isinstance(message, AIMessage):
                if self._is_answer(message):
                    await self._recorder.model_answered(str(message.text))
                else:
                    await self._recorder.model_call_failed("before_a_tool")
                used = cast(dict[str, int], message.usage_metadata or {})
                for name in self._tokens:
                    self._tokens[name] += used.get(name, 0)

    def _is_answer(self, message: AIMessage) -> bool:
        """Return whether a message is part of the answer: with a schema, text before a call is not."""
        return not (self._assignment.answer_schema and message.tool_calls)

    def ending(self, state: State, failure: AiopsError | None) -> Ending:
        """Return how this run ended, with the text and steps so far."""
        redactor, recorder = self._context.redactor, self._recorder
        error = usage = None
        if failure is not None:
            error = {"code": failure.code, "detail": redactor.redact(failure.detail), "retry": failure.retry}
        if self._spec is not None:
            usage = {"model": self._spec.label, "reason": self._spec.reason, **self._tokens, "cost": None}
        return Ending(
            state,
            recorder.events.said,
            notices=recorder.notices,
            steps=transitions.mark_unknown(recorder.steps),
            usage=usage,
            error=error,
            remembered=state == State.SUCCEEDED and not self._memory.lost,
            first_delta_ago_s=recorder.first_delta_ago_s,
        )
