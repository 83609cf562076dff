"""Makes a model's answer storable before it reaches a row, the stream, memory, a tool or the next model call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage

from aiops import untrusted

MAX_DEPTH = 50
"""Tool arguments that are nested deeper are an error: cutting them would make a different call."""
FROM_MODEL = ("id", "content", "tool_calls", "invalid_tool_calls", "additional_kwargs", "response_metadata")


class Cleaning(AgentMiddleware[Any, Any]):
    """Wraps every attempt of a model call, innermost; the redactor cleans streamed words as they come."""

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return a clean answer; raises TooDeep."""
        response = await handler(request)
        return replace(response, result=[_cleaned(message) for message in response.result])


def _cleaned(message: Any) -> Any:
    if not isinstance(message, AIMessage):
        return message
    said = {name: getattr(message, name) for name in FROM_MODEL}
    untrusted.faults(said, max_depth=MAX_DEPTH)
    return message.model_copy(update=untrusted.clean_json(said))
