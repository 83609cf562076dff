"""Logs each call of a model: sizes, time and tokens, never a text."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage

from aiops import log
from aiops.agent.surroundings import Surroundings

logger = log.get(__name__)


class LoggingMiddleware(AgentMiddleware[Any, Any]):
    """Run and conversation are in every line of the log anyway."""

    _model = ""

    def surround(self, surroundings: Surroundings) -> None:
        """Take the name of the model."""
        self._model = surroundings.spec.label

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        begun = time.monotonic()
        logger.info("model.request", model=self._model, messages=len(request.messages), tools=len(request.tools or ()))
        try:
            response = await handler(request)
        except BaseException as error:
            ms = round((time.monotonic() - begun) * 1e3)
            logger.info("model.no_response", model=self._model, ms=ms, error=type(error).__name__)
            raise
        said = next((one for one in response.result if isinstance(one, AIMessage)), None)
        used: Any = (said.usage_metadata if said is not None else None) or {}
        logger.info(
            "model.response",
            model=self._model,
            ms=round((time.monotonic() - begun) * 1e3),
            input_tokens=used.get("input_tokens"),
            output_tokens=used.get("output_tokens"),
        )
        return response
