"""Cuts tool results to what the model is to be shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage


class Truncation(AgentMiddleware[Any, Any]):
    """Wraps every tool call."""

    priority = 60

    def __init__(self, *, max_bytes: int) -> None:
        super().__init__()
        self._max_bytes = max_bytes

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return the result, cut in the middle of nothing: the head stays, and its full size is said."""
        result = await handler(request)
        if not isinstance(result, ToolMessage):
            return result
        raw = result.text.encode()
        if len(raw) <= self._max_bytes:
            return result
        head = raw[: self._max_bytes].decode(errors="ignore")
        note = f"\n[cut: the first {self._max_bytes} of {len(raw)} bytes; ask for less]"
        return result.model_copy(update={"content": head + note, "artifact": None})
