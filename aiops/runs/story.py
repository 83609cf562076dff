"""One run, from its claim to its last event, in the order in which it happens."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, HumanMessage, RemoveMessage
from langgraph.errors import GraphBubbleUp
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from aiops import log
from aiops.agent import build
from aiops.agent.memory.run import RunMemory
from aiops.agent.middleware.steps import told
from aiops.agent.values import ModelSpec
from aiops.conversations import transitions
from aiops.conversations.models import Run
from aiops.conversations.transitions import Ending
from aiops.errors import AiopsError
from aiops.events import types
from aiops.events.writer import EventWriter
from aiops.registry import language_models
from aiops.runs import conclusion, rows
from aiops.runs.ports import Assignment, Bench
from aiops.runs.recorder import LostClaim, Recorder, earlier
from aiops.runs.stopping import Stop, Why

logger = log.get(__name__)
State = Run.State


async def answer(assignment: Assignment, bench: Bench, stop: Stop) -> None:
    """Answer one message: think, use tools, show every step, and leave a row that says how it ended.

    Never raises, save when the database refuses the end: then the lease runs out and the reaper takes over.
    """
    events = EventWriter(
        bench.redis,
        assignment.claim.run_id,
        fence=assignment.claim.fence,
        message_id=assignment.answer_id,
        redactor=bench.redactor,
        ttl_s=bench.settings.stream_ttl_s,
    )
    recorder = Recorder(assignment, bench, events)
    telling = _Telling(assignment, bench, recorder, stop)
    deadline = asyncio.get_running_loop().call_later(assignment.deadline_s, stop.ask, Why.DEADLINE)
    state = State.SUCCEEDED
    failure: AiopsError | None = None
    with log.bind(run=assignment.claim.run_id, conversation=assignment.conversation_id):
        try:
            with stop.guard():
                await telling.tell()
        except asyncio.CancelledError:
            if stop.why is None:
                raise
            state = State.CANCELLED
            if stop.why is Why.DEADLINE:
                state, failure = State.FAILED, conclusion.too_late(assignment)
        except LostClaim:
            stop.why = Why.LOST
        except GraphBubbleUp:
            raise
        except Exception as error:  # noqa: BLE001  the end of the line: whatever broke, the run must not stay "running"
            state, failure = State.FAILED, conclusion.explained(error)
        finally:
            deadline.cancel()
        await events.close()
        await conclusion.conclude(assignment, bench, recorder, telling.ending(state, failure), why=stop.why)


def _done_already(assignment: Assignment, known: list[AnyMessage]) -> list[AnyMessage]:
    """Return the calls with effects that earlier attempts made and memory has lost: the row still knows them."""
    remembered = {call["id"] for message in known if isinstance(message, AIMessage) for call in message.tool_calls}
    made = [step for step in assignment.steps if not step["safe"] and step["call_id"] not in remembered]
    if not made:
        return []
    calls = [{"id": step["call_id"], "name": step["name"], "args": step["arguments"]} for step in made]
    results = [told(earlier(step), step["call_id"], step["name"]) for step in made]
    return [AIMessage("", tool_calls=calls), *results]


class _Telling:
    """The part of a run that can be stopped at any point, and what is known when it is."""

    def __init__(self, assignment: Assignment, bench: Bench, recorder: Recorder, stop: Stop) -> None:
        self._stop = stop
        self._assignment = assignment
        self._bench = bench
        self._recorder = recorder
        self._memory = RunMemory(bench.memory(), away=bench.memory_away, ours=lambda: stop.why is not Why.LOST)
        self._config: Any = {
            "configurable": {"thread_id": assignment.conversation_id},
            "metadata": {"run": assignment.claim.run_id},
        }
        self._tokens = {"input_tokens": 0, "output_tokens": 0}
        self._spec: ModelSpec | None = None
        self._told_of_memory = False

    async def tell(self) -> None:
        """Recall, build, stream, and tidy memory."""
        assignment, bench, recorder = self._assignment, self._bench, self._recorder
        await recorder.events.emit(types.STARTED, attempt=assignment.attempt, worker=assignment.worker)
        self._spec = language_models.choose(bench.settings, assignment.options)
        remembered = await self._latest()
        catalogue = await bench.tools.catalogue()
        if assignment.options.get("read_only"):
            catalogue = catalogue.reading()
        for missing in catalogue.missing:
            if missing.required:
                raise conclusion.without(missing)
            await recorder.notice(
                "tool_server_down", f"The tool server {missing.server!r} is missing: {missing.reason}"
            )
        agent = build.build(
            self._spec,
            catalogue,
            tools=bench.tools,
            watcher=recorder,
            limits=bench.limits,
            redactor=bench.redactor,
            memory=self._memory,
            pacer=bench.pacer if self._spec.provider != language_models.OFFLINE else None,
            answer_schema=assignment.answer_schema,
        )
        given = await self._input(remembered)
        streamed: Any = agent.astream(
            given, self._config, stream_mode=["messages", "updates"], durability=build.durability(catalogue)
        )
        async with contextlib.aclosing(streamed) as steps:
            async for mode, payload in steps:
                self._stop.check()
                await (self._words(payload) if mode == "messages" else self._update(payload))
        await self._memory.aprune([assignment.conversation_id])
        await self._tell_of_memory()

    async def _latest(self) -> Any:
        """Return the latest checkpoint; without memory's server go on with none, saying so."""
        latest = await self._memory.aget_tuple(self._config)
        await self._tell_of_memory()
        return latest

    async def _tell_of_memory(self) -> None:
        if self._memory.lost and not self._told_of_memory:
            self._told_of_memory = True
            await self._recorder.notice(rows.MEMORY_UNAVAILABLE, "Memory cannot be reached: the transcript stands in.")

    async def _input(self, remembered: Any) -> dict[str, Any] | None:
        """Apply the resume rule: go on where this very run was, else add what memory lacks and the message."""
        assignment, recorder = self._assignment, self._recorder
        run_id = assignment.claim.run_id
        known: list[AnyMessage] = remembered.checkpoint["channel_values"].get("messages", []) if remembered else []
        of_run = (remembered.metadata or {}).get("run") if remembered else None
        if of_run == run_id:
            since = next((i for i, m in enumerate(known) if m.id == assignment.message_id), len(known))
            answers = [str(m.text) for m in known[since:] if isinstance(m, AIMessage) and m.text]
            await recorder.resume(answers, again=True)
            forgotten = _done_already(assignment, known)
            return {"messages": forgotten} if forgotten else None
        if assignment.claim.fence > 1:
            await recorder.resume([], again=True)
        recalled = rows.NOTHING_BEFORE
        if of_run is not None or assignment.position > 1:
            recalled = await self._bench.in_thread(rows.recollect, run_id, of_run)
        if recalled.missing and remembered is None:
            await recorder.notice("memory_rebuilt", "Memory had expired: I go on from the transcript.")
        said: list[Any] = [
            HumanMessage(u.text, id=u.id) if u.role == "user" else AIMessage(u.text, id=u.id) for u in recalled.missing
        ]
        forget = [RemoveMessage(id=REMOVE_ALL_MESSAGES)] if recalled.stale else []
        question = HumanMessage(assignment.text, id=assignment.message_id)
        return {"messages": [*forget, *said, question, *_done_already(assignment, [])]}

    async def _words(self, payload: tuple[Any, dict[str, Any]]) -> None:
        chunk, metadata = payload
        if isinstance(chunk, AIMessageChunk) and metadata.get("langgraph_node") == "model":
            await self._recorder.say(str(chunk.text))

    async def _update(self, payload: dict[str, Any]) -> None:
        for message in (payload.get("model") or {}).get("messages", []):
            if isinstance(message, AIMessage):
                await self._recorder.model_answered(str(message.text))
                used = cast(dict[str, int], message.usage_metadata or {})
                for name in self._tokens:
                    self._tokens[name] += used.get(name, 0)

    def ending(self, state: str, failure: AiopsError | None) -> Ending:
        """Return how this run ended, with all that was said and done until then."""
        redactor, recorder = self._bench.redactor, self._recorder
        error = usage = None
        if failure is not None:
            error = {"code": failure.code, "detail": redactor.redact(failure.detail), "retry": failure.retry}
        if self._spec is not None:
            used = f"{self._spec.provider}:{self._spec.name}"
            usage = {"model": used, "reason": self._spec.reason, **self._tokens, "cost": None}
        return Ending(
            state,
            recorder.events.said,
            notices=recorder.notices,
            steps=transitions.left_open(recorder.steps),
            usage=usage,
            error=error,
            remembered=state == State.SUCCEEDED and not self._memory.lost,
            first_delta_ago_s=recorder.first_delta_ago_s,
        )
