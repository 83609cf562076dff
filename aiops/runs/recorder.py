"""Makes every step of a run visible as an event and durable in its row."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiops import metrics
from aiops.agent.ports import UNKNOWN, Earlier
from aiops.conversations import transitions
from aiops.events import types
from aiops.events.writer import EventWriter
from aiops.runs.ports import Assignment, Bench
from aiops.tools.values import RemoteTool

PREVIEW_BYTES = 2_000
ARGUMENTS_BYTES = 8_000


class LostClaim(Exception):
    """Another worker has this run now: stop at once and write nothing."""


class Recorder:
    """Implements the agent's Watcher for one run."""

    def __init__(self, assignment: Assignment, bench: Bench, events: EventWriter) -> None:
        self._assignment = assignment
        self._bench = bench
        self.events = events
        self.steps = transitions.left_open(list(assignment.steps))
        self._made_before = {step["call_id"]: step for step in assignment.steps if not step["safe"]}
        self._writing = asyncio.Lock()
        self.answers: list[str] = []
        self.notices: list[dict[str, str]] = []
        self._said_before_call = 0
        self._first_delta: float | None = None

    @property
    def first_delta_ago_s(self) -> float | None:
        """How long ago the first words were shown, seconds; None when none were."""
        return None if self._first_delta is None else time.monotonic() - self._first_delta

    @property
    def prefix(self) -> str:
        """What finished model calls have said."""
        return "\n\n".join(self.answers)

    async def say(self, text: str) -> None:
        """Add streamed words of the present model call."""
        if not text:
            return
        if self._said_before_call == 0 and self.answers:
            text = "\n\n" + text
        self._said_before_call += len(text)
        self._first_delta = self._first_delta or time.monotonic()
        await self.events.say(text)

    async def notice(self, code: str, text: str) -> None:
        """Tell the reader something about this answer, now and whenever it is read again."""
        shown = {"code": code, "text": self._bench.redactor.redact(text)}
        self.notices.append(shown)
        await self.events.emit(types.NOTICE, **shown)

    async def model_answered(self, text: str) -> None:
        """Note the end of a model call; what did not stream is said now."""
        if text and self._said_before_call == 0:
            await self.say(text)
        if text:
            self.answers.append(text)
        self._said_before_call = 0

    async def model_call_failed(self, reason: str) -> None:
        """Discard what the failed call had streamed."""
        if self._said_before_call:
            self._said_before_call = 0
            await self.events.reset(reason, keep=self.prefix)

    async def resume(self, answers: list[str], *, again: bool) -> None:
        """Begin with what memory says this run has answered already; ``again`` when watchers saw an earlier attempt."""
        self.answers = answers
        if again:
            await self.events.reset("resumed", keep=self.prefix)

    async def tool_started(
        self, call_id: str, *, tool: RemoteTool | None, name: str, arguments: dict[str, Any]
    ) -> Earlier | None:
        """Add the step; one that can change something is written to the row before the call is made."""
        if call_id in self._made_before:
            return earlier(self._made_before[call_id])
        safe = tool is None or tool.read_only
        step = {
            "call_id": call_id,
            "name": name,
            "server": tool.server if tool else "",
            "tool": tool.remote_name if tool else name,
            "arguments": _bounded(self._bench.redactor.redact_json(arguments)),
            "status": "running",
            "safe": safe,
            "ms": None,
            "preview": "",
        }
        self.steps = [s for s in self.steps if s["call_id"] != call_id] + [step]
        if not safe:
            await self._write_steps()
        shown = {key: step[key] for key in ("call_id", "server", "tool", "arguments")}
        await self.events.emit(types.TOOL_STARTED, **shown)
        return None

    async def tool_finished(self, call_id: str, *, status: str, ms: float, result: str) -> None:
        """Complete the step, in the row and for watchers."""
        server = next((s["server"] for s in self.steps if s["call_id"] == call_id), "")
        metrics.count(metrics.TOOL_CALLS, server, status)
        whole = self._bench.redactor.redact(result)
        end = {"status": status, "ms": round(ms, 1), "preview": types.preview(whole, max_bytes=PREVIEW_BYTES)}
        self.steps = [
            {**s, **end, **({} if s["safe"] else {"result": whole})} if s["call_id"] == call_id else s
            for s in self.steps
        ]
        await self._write_steps()
        await self.events.emit(types.TOOL_FINISHED, call_id=call_id, **end)

    async def _write_steps(self) -> None:
        """Write the steps as they are when it is this write's turn: parallel calls must not undo each other's."""
        async with self._writing:
            if not await self._bench.in_thread(transitions.note_steps, self._assignment.claim, self.steps):
                raise LostClaim


def earlier(step: dict[str, Any]) -> Earlier:
    """Return what an earlier attempt's call came to, as its row tells."""
    if step["status"] in ("ok", "error"):
        return Earlier(step["status"], step["result"])
    return Earlier("unknown", UNKNOWN)


def _bounded(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments small enough for an event; larger ones as the beginning of their JSON."""
    written = json.dumps(arguments, ensure_ascii=False, default=str)
    if len(written.encode()) <= ARGUMENTS_BYTES:
        return arguments
    return {"cut": types.preview(written, max_bytes=ARGUMENTS_BYTES)}
