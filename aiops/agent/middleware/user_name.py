"""Names the asker in a system prompt that has the field {user}."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import SystemMessage

from aiops.agent.ports import Watcher
from aiops.system_prompts.fields import MARK


class UserName(AgentMiddleware[Any, Any]):
    """The name comes with the run, not with the compiled agent, which the runs of many people share."""

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model with the asker's name in the prompt."""
        watcher: Watcher = request.runtime.context
        text = str(request.system_prompt or "").replace(MARK, watcher.user_name)
        return await handler(request.override(system_message=SystemMessage(text)))
