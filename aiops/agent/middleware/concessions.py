"""Asks again with less when a model cannot take what it was given: without tools, or with a shorter conversation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages.utils import count_tokens_approximately

from aiops import log
from aiops.agent.middleware.window import shortened
from aiops.agent.ports import Watcher
from aiops.llm import failures

NO_TOOLS = ("model_without_tools", "The model cannot use tools, so it answers without them: nothing was looked up.")
SHORTER = ("context_shortened", "The conversation is too long for the model, so it was given only the last part of it.")

logger = log.get(__name__)


class Concessions(AgentMiddleware[Any, Any]):
    """Wraps every model call, inside retry: each concession is made once, with a notice."""

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return the answer; raises the provider's error when less does not help."""
        watcher: Watcher = request.runtime.context
        tried: set[str] = set()
        while True:
            refusal: Exception
            try:
                return await handler(request)
            except Exception as error:  # noqa: BLE001  raised again below unless it asks for less
                refusal = error
            smaller, notice = _smaller(request, refusal)
            if smaller is None or notice[0] in tried:
                raise refusal
            tried.add(notice[0])
            logger.info("model.given_less", reason=notice[0])
            await watcher.notice(*notice)
            request = smaller


def _smaller(request: Any, refusal: Exception) -> tuple[Any, tuple[str, str]]:
    """Return the request to make instead and the notice about it; (None, …) when nothing can be left out."""
    if request.tools and failures.is_without_tools(refusal):
        return request.override(tools=[]), NO_TOOLS
    if failures.is_too_long(refusal):
        messages = shortened(request.messages, budget_tokens=count_tokens_approximately(request.messages) // 2)
        return (request.override(messages=messages) if messages != request.messages else None), SHORTER
    return None, ("", "")
