"""People's consent to the calls of one run: what must be asked, what was decided, and what may be called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, cast

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from aiops.agent import parking
from aiops.agent.parking import Parked
from aiops.approvals import asking, permitting
from aiops.approvals.asking import Asker
from aiops.approvals.values import (
    MOST_ASKED,
    Decision,
    ItemState,
    Outcome,
    Permit,
    PlannedCall,
    Question,
    Subject,
    Verdict,
)
from aiops.events import types
from aiops.runs import sources
from aiops.runs.work.context import Assignment, RunContext
from aiops.tool_servers.client.values import RemoteTool

NOTE_BYTES = 2_000
"""Of what the model reads about changed arguments."""


class Consent:
    """Knows the decisions of this run's last step; the policies of its claim tell which calls need no look at rows."""

    def __init__(self, assignment: Assignment, context: RunContext, steps: Callable[[], list[dict[str, Any]]]) -> None:
        self._assignment = assignment
        self._steps = steps
        self._context = context
        self._step = assignment.step
        self._permits: dict[str, Permit] = {}
        self._made_before = _made(assignment.steps)
        self._policies = assignment.policies
        self._taken_up = False

    @property
    def asked_people(self) -> bool:
        """Whether people were asked about calls of this run."""
        return self._step is not None

    def ask_also(self, names: frozenset[str]) -> None:
        """Let people be asked about these tools as well, because a middleware of the model wants it."""
        self._policies = replace(self._policies, asked_by_chain=names)

    def unknown(self) -> list[Question]:
        """Return the calls whose outcome is not known, to be asked about again."""
        step = self._step
        if step is None:
            return []
        latest = {one.call_id: one for one in step.decisions}
        return [_question(one) for one in latest.values() if one.state is ItemState.OUTCOME_UNKNOWN]

    def park_again(self, asked: Sequence[Question]) -> Parked:
        """Return how this run ends its turn at once, to ask about calls of unknown outcome."""
        assert self._step is not None
        return Parked(self._step.message, asked, reason="", used={})

    def awaited_calls(self) -> frozenset[str]:
        """Return the ids of the calls of the last step that people were asked about."""
        return frozenset() if self._step is None else frozenset(_ids(parking.restored(self._step.message)))

    def stored_step(self, messages: Sequence[AnyMessage]) -> list[AnyMessage] | None:
        """Return the last step that people were asked about, once, if its calls lack results among these messages."""
        if self._step is None or self._taken_up:
            return None
        restored = parking.restored(self._step.message)
        answered = {one.tool_call_id for one in messages if isinstance(one, ToolMessage)}
        if all(one in answered for one in _ids(restored)):
            return None
        self._taken_up = True
        return restored

    def take_up_again(self) -> None:
        """Let the step be taken up again, by another model of this run, where memory has lost it."""
        self._taken_up = False
        self._made_before = _made(self._steps())

    async def consider(self, said: AIMessage, results: Sequence[AnyMessage], calls: Sequence[PlannedCall]) -> None:
        """Raise Parked if people must decide about one of these calls."""
        most = min(self._context.limits.tool_calls, MOST_ASKED)
        if all(self._is_free(one) for one in calls) or len(calls) > most:  # so many are refused without asking
            return
        asked = await self._context.in_thread(self._questions, [one for one in calls if not self._is_used_up(one)])
        if asked:
            used = cast(dict[str, int], said.usage_metadata or {})
            raise Parked(parking.stored(said, results), asked, reason=str(said.text), used=used)

    async def permit(self, call: PlannedCall) -> Permit:
        """Return whether a call may be made now, and remember it; an earlier attempt's is only looked up again."""
        if call.call_id in self._made_before and not self.is_repeat(call.call_id):
            return Permit(call.arguments)
        decision = None if self._step is None else self._step.of(call.call_id)
        if decision is None and (self._is_free(call) or self._is_used_up(call)):
            permit = Permit(call.arguments)
        else:
            permit = await self._context.in_thread(self._permit, call, decision)
        self._permits[call.call_id] = permit
        return permit

    def permit_of(self, call_id: str) -> Permit | None:
        """Return what was permitted last for a call."""
        return self._permits.get(call_id)

    def is_repeat(self, call_id: str) -> bool:
        """Return whether a person wants a call of unknown outcome made again, or says how it ended."""
        decision = None if self._step is None else self._step.of(call_id)
        return decision is not None and decision.repeats and decision.state is not ItemState.EXECUTED

    def _is_free(self, call: PlannedCall) -> bool:
        """Return whether a call asks nobody, by the policies of the claim: only reading ones, the others look again."""
        if not call.tool.read_only:
            return False
        return self._policies.verdict(self._subject(call.tool), name=call.name).outcome is Outcome.AUTO

    def _is_used_up(self, call: PlannedCall) -> bool:
        """Return whether ``CallsPerRun`` refuses the call: nobody is asked about it."""
        most = call.tool.calls_per_run
        return most is not None and sum(step["name"] == call.name for step in self._steps()) >= most

    def _subject(self, tool: RemoteTool) -> Subject:
        source = self._assignment.source
        return Subject(
            tool.server,
            tool.remote_name,
            tool.tool_class,
            agent_kind=source,
            environment=self._context.settings.environment,
            unattended=source in sources.UNATTENDED,
        )

    def _asker(self) -> Asker:
        unknown = {step["name"] for step in self._steps() if step["status"] == "unknown"}
        return Asker(
            self._assignment.user_id,
            self._assignment.user_name,
            self._assignment.conversation_id,
            self._policies.asked_by_chain,
            frozenset(unknown),
        )

    def _questions(self, calls: Sequence[PlannedCall]) -> list[Question]:
        return asking.questions(calls, self._subject, self._asker())

    def _permit(self, call: PlannedCall, decision: Decision | None) -> Permit:
        permit = permitting.permit(call, self._subject(call.tool), decision, asker=self._asker())
        note = types.cut(self._context.redactor.redact(permit.note), max_bytes=NOTE_BYTES)
        return replace(permit, note=note) if permit.note else permit


def _made(steps: Iterable[dict[str, Any]]) -> set[str]:
    """Return the ids of the calls with effects that were begun."""
    return {step["call_id"] for step in steps if not step["safe"]}


def _ids(messages: Sequence[AnyMessage]) -> list[str]:
    return [str(call["id"]) for one in messages if isinstance(one, AIMessage) for call in one.tool_calls]


def _question(decision: Decision) -> Question:
    call = PlannedCall(decision.number, decision.call_id, decision.name, decision.tool, decision.requested)
    verdict = Verdict(Outcome.ASK_ROLE if decision.role else Outcome.ASK_USER, decision.policy, decision.role)
    return Question(call, verdict, repeats=decision.item, edited=decision.edited)
