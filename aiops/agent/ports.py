"""What the agent needs from the run it works for; ``runs`` gives it, tests give a recording one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from aiops.tools.values import RemoteTool, ToolResult

UNKNOWN = (
    "The worker died during this call, so whether it took effect is not known. It was not made again: "
    "look at the present state first."
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A call that an earlier attempt of this run made: its status (ok, error, unknown) and what it returned."""

    status: str
    result: str


class Watcher(Protocol):
    """Sees every step of one run and makes it visible and durable."""

    async def notice(self, code: str, text: str) -> None:
        """Tell the reader something about this answer."""

    async def model_call_failed(self, reason: str) -> None:
        """A model call is tried again: what it had streamed is to be discarded."""

    async def tool_started(
        self, call_id: str, *, tool: RemoteTool | None, name: str, arguments: dict[str, Any]
    ) -> Earlier | None:
        """Note a call before it is made, durably when it can change something.

        What an earlier attempt's very call came to when it can change something: it must not be made again.
        """

    async def tool_finished(self, call_id: str, *, status: str, ms: float, result: str) -> None:
        """Note a call's end; status is ok, error or unknown."""


class Tools(Protocol):
    """Calls tools; implemented by ``tools.pool.ToolPool``."""

    async def call(self, tool: RemoteTool, arguments: dict[str, Any]) -> ToolResult:
        """Call one tool; raises ServerDown or ToolTimeout."""

    def __hash__(self) -> int:
        """Tell pools apart: agents are kept by the pool that they call."""
