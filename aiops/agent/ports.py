"""Interfaces that the agent needs from its run: ``runs`` and ``tool_servers`` implement them, tests record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, AnyMessage

from aiops.approvals.values import Permit, PlannedCall
from aiops.llm.values import Price
from aiops.tool_servers.client.values import Progress, RemoteTool, ToolResult

UNKNOWN = (
    "The worker died during this call, so whether it took effect is not known. It was not repeated: "
    "check the current state first."
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A call that an earlier attempt of this run made: its status (ok, error, unknown) and what it returned."""

    status: str
    result: str
    of_tool: bool = True
    """Whether a tool said it, and not aiops or a person."""


@dataclass(frozen=True, slots=True)
class MadeCall:
    """A call that a tool server has had: its outcome (ok, error, unknown), time and the size of its result."""

    tool: RemoteTool
    arguments: dict[str, Any]
    outcome: str
    ms: float
    size: int
    """Bytes of the result, before it is cut for the model."""


class Consent(Protocol):
    """Knows what people have decided about the calls of one run, and what they must be asked."""

    def stored_step(self, messages: Sequence[AnyMessage]) -> list[AnyMessage] | None:
        """Return the assistant message, and results, of a step that people were asked about and that is to go on.

        None when there is none, or its calls have results among these messages.
        """

    def awaited_calls(self) -> frozenset[str]:
        """Return the ids of the calls of that step: they are still to be made or refused."""

    async def consider(self, said: AIMessage, results: Sequence[AnyMessage], calls: Sequence[PlannedCall]) -> None:
        """Let the run wait for people if they must decide about one of these calls; raises Parked."""

    async def permit(self, call: PlannedCall) -> Permit:
        """Return whether a call may be made now."""


class Watcher(Protocol):
    """Records every step of one run and shows it to readers."""

    @property
    def consent(self) -> Consent:
        """What people have decided about its calls."""

    @property
    def instructions(self) -> str:
        """What the asker adds to the system prompt; empty without any."""

    @property
    def user_id(self) -> str:
        """The asker's id."""

    @property
    def user_name(self) -> str:
        """The asker's name, for a system prompt that has it."""

    def new_call_id(self) -> str:
        """Return an id for a tool call that no other call of the conversation has."""

    def idempotency_key(self, call_id: str) -> str:
        """Return what is the same for each repetition of a call, and for no other call."""

    async def say(self, text: str) -> None:
        """Show the next piece of the answer."""

    async def think(self, text: str) -> None:
        """Show the next piece of what the model thinks before it answers."""

    async def notice(self, code: str, text: str) -> None:
        """Show the reader a notice about this answer."""

    def spent(self, price: Price, used: Mapping[str, int]) -> None:
        """Count the tokens (input_tokens, output_tokens) of one call of a model for this run."""

    async def model_call_failed(self, reason: str) -> None:
        """Discard the partial answer: the model call is retried."""

    async def tool_started(
        self, call_id: str, *, tool: RemoteTool | None, name: str, arguments: dict[str, Any]
    ) -> Earlier | None:
        """Record a call before it is made, durably when it can change something.

        Returns the outcome of the same call in an earlier attempt, if that may have changed something: such a call
        must not be repeated.
        """

    async def tool_refused(self, call: PlannedCall, permit: Permit) -> str:
        """Record a call that is not made, because of a policy or a person; return what the model reads."""

    def calls_before(self, call_id: str) -> int:
        """Return how many calls of the same tool this run began before this one."""

    def tool_progress(self, call_id: str, progress: Progress) -> None:
        """Show how far a call is, soon; must not block, for the session of all calls waits."""

    def tool_called(self, call_id: str, made: MadeCall) -> None:
        """Keep the record of a call until ``tool_finished`` writes it; a call that was not made has none."""

    async def tool_finished(self, call_id: str, *, status: str, ms: float, result: str) -> None:
        """Record the end of a call; status is ok, error or unknown."""


class Tools(Protocol):
    """Calls tools; implemented by ``tool_servers.client.pool.ToolPool``."""

    async def call(
        self,
        tool: RemoteTool,
        arguments: dict[str, Any],
        *,
        user_id: str,
        on_progress: Callable[[Progress], None],
        key: str,
    ) -> ToolResult:
        """Call one tool in the name of the asker; raises ServerDown or ToolTimeout.

        Its server gets the idempotency key.
        """

    def __hash__(self) -> int:
        """Part of the cache key of compiled agents."""
