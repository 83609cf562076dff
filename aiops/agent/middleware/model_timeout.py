"""Cancels a model call that takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware


class ModelTimeout(AgentMiddleware[Any, Any]):
    """Wraps every attempt of a model call."""

    def __init__(self, *, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model; raises TimeoutError."""
        async with asyncio.timeout(self._timeout_s):
            return await handler(request)
