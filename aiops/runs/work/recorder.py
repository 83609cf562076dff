"""Publishes every step of a run as an event and stores it in the run's row."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from aiops import metrics
from aiops.agent.ports import Earlier, MadeCall
from aiops.approvals.values import Permit, PlannedCall
from aiops.events import types
from aiops.events.writer import EventWriter
from aiops.llm.prices import Spending
from aiops.llm.values import Price
from aiops.runs import transitions
from aiops.runs.notices import TOOL_FAILED
from aiops.runs.work import calls, steps
from aiops.runs.work.consent import Consent
from aiops.runs.work.context import Assignment, RunContext
from aiops.tool_servers.client.values import Progress, RemoteTool

NOTICE_BYTES = 300
"""So much of what a failed tool said is in the notice about it."""
PROGRESS_S = 1.0
"""Pause between two events of a call's progress: servers may report it thousands of times."""


class LostClaim(Exception):
    """Another worker has claimed this run: stop at once and write nothing."""


class Recorder:
    """Implements the agent's Watcher for one run."""

    def __init__(self, assignment: Assignment, context: RunContext, events: EventWriter) -> None:
        self._assignment = assignment
        self._context = context
        self.events = events
        self.steps = transitions.mark_unknown(list(assignment.steps))
        self._made_before = {step["call_id"]: step for step in assignment.steps if not step["safe"]}
        self._writing = asyncio.Lock()
        self.answers: list[str] = []
        self.notices: list[dict[str, str]] = list(assignment.notices)
        self.spending = Spending(assignment.usage)
        self.consent = Consent(assignment, context, lambda: self.steps)
        self._calls = 0
        self._streamed_in_call = 0
        self._first_delta: float | None = None
        self._progress: dict[str, Progress] = {}
        self._made: dict[str, MadeCall] = {}
        self._showing: asyncio.Task[None] | None = None

    def take_up_again(self) -> None:
        """Let another model of this run go on where memory has lost what it did."""
        self._made_before = {step["call_id"]: step for step in self.steps if not step["safe"]}
        self.consent.take_up_again()

    @property
    def instructions(self) -> str:
        """What the asker adds to the system prompt."""
        return self._assignment.options.instructions or ""

    @property
    def user_id(self) -> str:
        """The asker's id."""
        return self._assignment.user_id

    @property
    def user_name(self) -> str:
        """The asker's name."""
        return self._assignment.user_name

    @property
    def first_delta_ago_s(self) -> float | None:
        """Seconds since the first text was shown; None when none was."""
        return None if self._first_delta is None else time.monotonic() - self._first_delta

    @property
    def prefix(self) -> str:
        """Text of the finished model calls."""
        return "\n\n".join(self.answers)

    async def say(self, text: str) -> None:
        """Add streamed text of the current model call."""
        if not text:
            return
        if self._streamed_in_call == 0 and self.answers:
            text = "\n\n" + text
        self._streamed_in_call += len(text)
        self._first_delta = self._first_delta or time.monotonic()
        await self.events.say(text)

    def new_call_id(self) -> str:
        """Return an id of our own: providers repeat theirs, and some take nine letters and digits alone (Mistral)."""
        self._calls += 1
        claim = self._assignment.claim
        digest = hashlib.sha256(f"{claim.run_id}:{claim.fence}:{self._calls}".encode()).digest()
        return base64.b32encode(digest)[:9].decode().lower()

    def idempotency_key(self, call_id: str) -> str:
        """Return the run's and the call's id, which are the same in each attempt."""
        return f"{self._assignment.claim.run_id}:{call_id}"

    def spent(self, price: Price, used: Mapping[str, int]) -> None:
        """Count the tokens of one call of a model."""
        self.spending.add(price, used)

    async def think(self, text: str) -> None:
        """Add streamed thinking of the current model call; it is shown live and kept nowhere."""
        await self.events.think(text)

    async def notice(self, code: str, text: str) -> None:
        """Show a notice beside this answer, live and whenever it is read later."""
        shown = {"code": code, "text": self._context.redactor.redact(text)}
        if shown in self.notices:  # such as what every model call of a run concedes
            return
        self.notices.append(shown)
        await self.events.emit(types.NOTICE, **shown)

    async def model_answered(self, text: str) -> None:
        """Record the end of a model call; text that was not streamed is sent now."""
        if text and self._streamed_in_call == 0:
            await self.say(text)
        if text:
            self.answers.append(text)
        self._streamed_in_call = 0

    async def model_call_failed(self, reason: str) -> None:
        """Discard the text that the failed call had streamed."""
        if self._streamed_in_call:
            self._streamed_in_call = 0
            await self.events.reset(reason, keep=self.prefix)

    async def resume(self, answers: list[str]) -> None:
        """Start with the answers that memory holds of this run: viewers saw an earlier attempt."""
        self.answers = answers
        await self.events.reset("resumed", keep=self.prefix)

    async def tool_started(
        self, call_id: str, *, tool: RemoteTool | None, name: str, arguments: dict[str, Any]
    ) -> Earlier | None:
        """Add the step; a call with side effects is written to the row before it is made."""
        permit = self.consent.permit_of(call_id)
        if call_id in self._made_before and not self.consent.is_repeat(call_id):
            return steps.earlier(self._made_before[call_id])
        safe = (tool is None or tool.read_only) and (permit is None or not permit.item)
        step = {**steps.new(call_id, tool, name, arguments, self._context.redactor), "safe": safe}
        self.steps = [s for s in self.steps if s["call_id"] != call_id] + [step]
        if not safe:
            await self._write_steps(begins=permit)
        shown = {key: step[key] for key in ("call_id", "server", "tool", "arguments")}
        await self.events.emit(types.TOOL_STARTED, **shown)
        return None

    def tool_called(self, call_id: str, made: MadeCall) -> None:
        """Keep the record of a call until its step is written."""
        self._made[call_id] = made

    def calls_before(self, call_id: str) -> int:
        """Return how many calls of the same tool this run began before this one, in all its attempts."""
        at = next((n for n, step in enumerate(self.steps) if step["call_id"] == call_id), 0)
        return sum(step["name"] == self.steps[at]["name"] for step in self.steps[:at])

    def tool_progress(self, call_id: str, progress: Progress) -> None:
        """Show how far a call is: the latest news, once a second; it is shown live and kept nowhere."""
        self._progress[call_id] = progress
        if self._showing is None:
            self._showing = asyncio.create_task(self._show_progress())

    async def _show_progress(self) -> None:
        while self._progress:
            latest, self._progress = self._progress, {}
            running = {step["call_id"] for step in self.steps if step["status"] == "running"}
            await self.events.emit_all(
                [
                    (types.TOOL_PROGRESS, steps.progressed(call_id, one))
                    for call_id, one in latest.items()
                    if call_id in running
                ]
            )
            await asyncio.sleep(PROGRESS_S)
        self._showing = None

    async def close(self) -> None:
        """Show no more progress, and send the last events."""
        if self._showing is not None:
            self._showing.cancel()
            await asyncio.wait([self._showing])
        await self.events.close()

    async def tool_finished(self, call_id: str, *, status: str, ms: float, result: str) -> None:
        """Complete the step, in the row and as an event."""
        self._progress.pop(call_id, None)
        server = next((s["server"] for s in self.steps if s["call_id"] == call_id), "")
        metrics.count(metrics.TOOL_CALLS, server, status)
        whole = self._context.redactor.redact(result)
        end = {"status": status, "ms": round(ms, 1), "preview": types.cut(whole, max_bytes=steps.PREVIEW_BYTES)}
        self.steps = [
            {**s, **end, **({} if s["safe"] else {"result": whole})} if s["call_id"] == call_id else s
            for s in self.steps
        ]
        permit = self.consent.permit_of(call_id)
        await self._write_steps(self._made.pop(call_id, None), ended=(permit.item, end) if permit is not None else None)
        await self.events.emit(types.TOOL_FINISHED, call_id=call_id, **end)

    async def tool_refused(self, call: PlannedCall, permit: Permit) -> str:
        """Add the step of a call that is not made, with the reason or with what a person answered instead."""
        step = steps.refused(call, permit, self._context.redactor)
        self.steps = [s for s in self.steps if s["call_id"] != call.call_id] + [step]
        await self._write_steps()
        shown = {key: step[key] for key in ("call_id", "server", "tool", "arguments")}
        end = {key: step[key] for key in ("call_id", "status", "ms", "preview")}
        await self.events.emit_all([(types.TOOL_STARTED, shown), (types.TOOL_FINISHED, end)])
        result: str = step["result"]
        return result

    async def report_failed_tools(self) -> None:
        """Show a notice for each tool whose last call failed: the answer does without what it would have said."""
        last = {step["name"]: step for step in self.steps}  # a call that was not made has no server
        for step in last.values():
            if step["status"] == "error" and not step.get("refused"):  # it did not fail: it was not made
                name = " · ".join(filter(None, (step["server"], step["tool"])))
                why = " ".join(step["preview"].split())
                await self.notice(TOOL_FAILED, f"The tool {name} failed: {types.cut(why, max_bytes=NOTICE_BYTES)}")

    async def _write_steps(
        self,
        made: MadeCall | None = None,
        *,
        begins: Permit | None = None,
        ended: tuple[str, dict[str, Any]] | None = None,
    ) -> None:
        """Write the steps, one write at a time: parallel calls must not overwrite each other's.

        With them, a call that was approved is recorded as begun, or as ended.
        """
        arguments = None
        if made is not None and self._context.settings.record_tool_arguments:
            arguments = steps.bounded(self._context.redactor.redact_json(made.arguments))
        write = partial(calls.write, arguments=arguments, begins=begins, ended=ended)
        async with self._writing:
            if not await self._context.in_thread(write, self._assignment, self.steps, made):
                raise LostClaim
