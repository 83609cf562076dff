"""Removes secrets from tool results before the model, memory or a reader gets them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from aiops.events.redaction import Redactor


class Redaction(AgentMiddleware[Any, Any]):
    """Wraps every tool call."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        result = await handler(request)
        if not isinstance(result, ToolMessage):
            return result
        return result.model_copy(update={"content": self._redactor.redact(result.text), "artifact": None})
