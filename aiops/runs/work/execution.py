"""The part of a run that can be stopped at any point: memory, tools, and models, until one has answered."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from aiops.agent import build, chain_rows
from aiops.agent.memory.run import RunMemory
from aiops.agent.middleware.concessions import NO_TOOLS
from aiops.agent.parking import Parked
from aiops.conversations.transcript import PastMessage
from aiops.errors import AiopsError, RunFailed
from aiops.events import types
from aiops.llm import choice
from aiops.llm.providers import OFFLINE
from aiops.llm.values import ModelSpec, Price
from aiops.runs import transitions
from aiops.runs.states import State
from aiops.runs.transitions import Ending
from aiops.runs.work import chains, conclusion, messages, offering, remembering, rows
from aiops.runs.work.context import Assignment, MemoryGap, RunContext
from aiops.runs.work.recorder import Recorder
from aiops.runs.work.stopping import Stop, Why
from aiops.tool_servers.client.pool import Catalogue

DOWN = {"model_unreachable", "model_timeout", "model_error", "model_certificate"}
"""Codes of failures after which a fallback answers."""
FELL_BACK = "{reason} The model {name!r} answers instead."
INTERRUPT = "__interrupt__"
"""LangGraph 1.x: the key under which a stream's updates hold the interrupts of a graph that has paused."""


class Execution:
    """Answers one message; ``ending`` returns what is known at any time."""

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
        self.spec: ModelSpec | None = None
        self._answered_by = ""
        self._chain: tuple[str, ...] = ()
        self._reported_memory = False

    async def execute(self) -> None:
        """Read memory, build the agent, stream its steps, and prune memory."""
        assignment, context, recorder = self._assignment, self._context, self._recorder
        await recorder.events.emit(types.STARTED, attempt=assignment.attempt, worker=assignment.worker)
        if unknown := recorder.consent.unknown():
            await recorder.resume([assignment.partial] if assignment.partial else [])
            raise recorder.consent.park_again(unknown)
        spec = self.spec = choice.choose(assignment.models, assignment.options.stored(), text=assignment.text)
        remembered = await self._memory.aget_tuple(self._config)  # None, with a notice, if its server is down
        await self._report_memory()
        offer = await offering.offer(assignment, context, recorder, conversation=remembering.known(remembered))
        given = await self._input(remembered)
        remaining = choice.fallbacks(assignment.models, spec)
        while True:
            try:
                await self._answer(spec, offer, given)
                break
            except RunFailed as failure:
                instead = next(remaining, None) if failure.code in DOWN else None
                if instead is None:
                    raise
                await recorder.model_call_failed("model_fallback")
                await recorder.notice("model_fallback", FELL_BACK.format(reason=failure.detail, name=instead.name))
                spec = self.spec = instead
                self._answered_by = ""
                given = await self._continued(given)
        await recorder.report_failed_tools()
        await self._memory.aprune([assignment.conversation_id])
        await self._report_memory()

    async def _answer(self, spec: ModelSpec, catalogue: Catalogue, given: dict[str, Any] | None) -> None:
        """Let a model answer; where memory waits for a step that this chain no longer has, from the first step on."""
        if await self._stream(spec, catalogue, given) or given is not None:
            return
        known = remembering.known(await self._memory.aget_tuple(self._config))
        last = known[-1] if known else None
        if not isinstance(last, AIMessage) or last.tool_calls:
            await self._stream(spec, catalogue, {"messages": []})

    async def _stream(self, spec: ModelSpec, catalogue: Catalogue, given: dict[str, Any] | None) -> bool:
        """Go through the agent's steps; return whether there was one."""
        assignment, context, recorder = self._assignment, self._context, self._recorder
        recorder.events.also_remove(chain_rows.removed_patterns(spec))
        recorder.consent.ask_also(chain_rows.tools_asked_about(spec))
        if "tools" in spec.lacks and catalogue.tools:
            await recorder.notice(*NO_TOOLS)
            catalogue = replace(catalogue, tools=())
        async with context.clients.use(spec, timeout_s=context.limits.model_timeout_s) as client:
            chain = await chains.chain_of(client, context)
            self._chain = chain.names
            for problem in chain.left_out:
                await recorder.notice("middleware_skipped", problem)
            agent = build.build(
                client,
                catalogue,
                tools=context.tools,
                limits=context.limits,
                redactor=context.redactor,
                memory=self._memory,
                pacer=context.pacer if spec.handler_name != OFFLINE else None,
                answer_schema=assignment.answer_schema,
                instructed=bool(assignment.options.instructions),
            )
            streamed: Any = agent.astream(
                given,
                self._config,
                context=recorder,
                stream_mode="updates",  # the model's words go from ModelCall to the recorder
                durability=build.durability(catalogue),
            )
            has_gone_on = False
            async with contextlib.aclosing(streamed) as steps:
                async for update in steps:
                    has_gone_on = True
                    self._stop.check()
                    await self._update(update, spec.price)
            return has_gone_on

    async def _continued(self, given: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return what another model gets in the middle of this run: what memory has not got of it."""
        self._memory.read_again()
        self._recorder.take_up_again()
        remembered = await self._memory.aget_tuple(self._config)
        if remembered is not None and (remembered.metadata or {}).get("run") == self._assignment.claim.run_id:
            forgotten = self._missing_calls(remembering.known(remembered))
            return {"messages": forgotten} if forgotten else None
        asked: list[AnyMessage] = [*(given or {}).get("messages", ())]
        return {"messages": [*asked, *self._missing_calls(asked)]}

    def _missing_calls(self, remembered: list[AnyMessage]) -> list[AnyMessage]:
        """Return the calls that memory has lost; those of a step that is taken up again come with that step."""
        own = self._recorder.consent.awaited_calls()
        steps = [step for step in self._recorder.steps if step["call_id"] not in own]
        return remembering.missing_calls(steps, remembered)

    def count(self, parked: Parked) -> None:
        """Count the tokens of the call of a model whose calls people are asked about."""
        if self.spec is not None:
            self._recorder.spent(self.spec.price, parked.used)

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
        known = remembering.known(remembered)
        of_run = (remembered.metadata or {}).get("run") if remembered else None
        if of_run == run_id:
            since = next((i for i, m in enumerate(known) if m.id == assignment.message_id), len(known))
            answers = [str(m.text) for m in known[since:] if isinstance(m, AIMessage) and m.text and self._is_answer(m)]
            await recorder.resume(answers)
            for message in known[since : since + 1]:
                await self._report_cuts(message)
            forgotten = self._missing_calls(known)
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
        return {"messages": [*forget, *added, *self._missing_calls([])]}

    async def _report_cuts(self, message: AnyMessage) -> None:
        for cut in messages.cuts(message):
            await self._recorder.notice("attachment_cut", cut)

    async def _update(self, payload: dict[str, Any], price: Price) -> None:
        if INTERRUPT in payload:  # LangGraph raises nothing: the stream just ends after an interrupt
            raise conclusion.not_resumable()
        for message in (payload.get("model") or {}).get("messages", []):
            if isinstance(message, AIMessage):
                if self._is_answer(message):
                    await self._recorder.model_answered(str(message.text))
                else:
                    await self._recorder.model_call_failed("before_a_tool")
                self._answered_by = str(message.response_metadata.get("answered_by", ""))
                self._recorder.spent(price, cast(dict[str, int], message.usage_metadata or {}))

    def _is_answer(self, message: AIMessage) -> bool:
        """Return whether a message is part of the answer: with a schema, text before a call is not."""
        return not (self._assignment.answer_schema and message.tool_calls)

    def ending(self, state: State, failure: AiopsError | None) -> Ending:
        """Return how this run ended, with the text and steps so far."""
        redactor, recorder = self._context.redactor, self._recorder
        error = usage = None
        if failure is not None:
            error = {"code": failure.code, "detail": redactor.redact(failure.detail), "retry": failure.retry}
        if self.spec is not None:
            prompt = self.spec.prompt.label if self.spec.prompt is not None else None
            usage = {
                "model": f"{self.spec.provider}:{self._answered_by}" if self._answered_by else self.spec.label,
                "reason": self.spec.reason,
                "prompt_version": prompt,
                **({"chain": list(self._chain)} if self._chain else {}),
                **recorder.spending.summary(self.spec.price),
            }
        return Ending(
            state,
            recorder.events.said,
            notices=recorder.notices,
            steps=transitions.mark_unknown(recorder.steps),
            usage=usage,
            error=error,
            remembered=state == State.SUCCEEDED and not self._memory.lost,
            first_delta_ago_s=recorder.first_delta_ago_s,
            asked_people=recorder.consent.asked_people,
        )
