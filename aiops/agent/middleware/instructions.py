"""Adds what the asker wants to the system prompt of every model call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import SystemMessage

from aiops.agent.ports import Watcher

ADDED = "\n\nThe asker's own instructions for this answer:\n{instructions}"


class Instructions(AgentMiddleware[Any, Any]):
    """The instructions come with the run, not with the compiled agent: many runs share one, each may have its own."""

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model with the instructions behind the system prompt."""
        watcher: Watcher = request.runtime.context
        text = f"{request.system_prompt or ''}{ADDED.format(instructions=watcher.instructions)}"
        return await handler(request.override(system_message=SystemMessage(text)))
