"""Limits the size of tool results."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from aiops.tool_servers.client.values import RemoteTool


class Truncation(AgentMiddleware[Any, Any]):
    """Wraps every tool call."""

    def __init__(self, catalogue: Mapping[str, RemoteTool], *, max_bytes: int) -> None:
        super().__init__()
        self._catalogue = catalogue
        self._max_bytes = max_bytes

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return as much of the result as its tool may say, with a note that states its full size."""
        result = await handler(request)
        tool = self._catalogue.get(request.tool_call["name"])
        most = (tool.max_result_bytes if tool is not None else None) or self._max_bytes
        if not isinstance(result, ToolMessage) or len(raw := result.text.encode()) <= most:
            return result
        head = raw[:most].decode(errors="ignore")
        note = f"\n[cut: the first {most} of {len(raw)} bytes; ask for less]"
        return result.model_copy(update={"content": head + note, "artifact": None})
