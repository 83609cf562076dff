"""Limits the size of tool results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage


class Truncation(AgentMiddleware[Any, Any]):
    """Wraps every tool call."""

    def __init__(self, *, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return the first ``max_bytes`` of the result, with a note that states its full size."""
        result = await handler(request)
        if not isinstance(result, ToolMessage) or len(raw := result.text.encode()) <= self._max_bytes:
            return result
        head = raw[: self._max_bytes].decode(errors="ignore")
        note = f"\n[cut: the first {self._max_bytes} of {len(raw)} bytes; ask for less]"
        return result.model_copy(update={"content": head + note, "artifact": None})
