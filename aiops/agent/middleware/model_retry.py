"""Tries a model call again after a transient error, with back-off and jitter; watchers discard what had streamed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage
from langgraph.errors import GraphBubbleUp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from aiops import log
from aiops.agent.llm import failures
from aiops.agent.ports import Watcher
from aiops.agent.values import ModelSpec

logger = log.get(__name__)


class ModelRetry(AgentMiddleware[Any, Any]):
    """Wraps every model call; what fails for good is raised as RunFailed with its cure."""

    priority = 80

    def __init__(self, spec: ModelSpec, *, tries: int) -> None:
        super().__init__()
        self._spec = spec
        self._tries = tries

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model, again when that may help."""
        watcher: Watcher = request.runtime.context
        try:
            async for attempt in AsyncRetrying(
                stop=stop_after_attempt(self._tries),
                retry=retry_if_exception(failures.is_transient),
                wait=wait_random_exponential(multiplier=0.3, max=8),
                before_sleep=partial(self._discard, watcher),
                reraise=True,
            ):
                with attempt:
                    return self._whole(await handler(request))
        except (GraphBubbleUp, asyncio.CancelledError):
            raise
        except Exception as error:
            logger.warning("model.failed", provider=self._spec.provider, error=f"{type(error).__name__}: {error}"[:300])
            raise failures.explain(error, self._spec) from error

    async def _discard(self, watcher: Watcher, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning(
            "model.retry", provider=self._spec.provider, attempt=state.attempt_number, error=type(error).__name__
        )
        await watcher.model_call_failed("model_retry")

    def _whole(self, response: Any) -> Any:
        """Return the response; raises StreamCut when it stopped in mid-answer without saying so, or EmptyAnswer."""
        last = response.result[-1] if response.result else None
        cut = isinstance(last, AIMessage) and not last.response_metadata.get("finish_reason")
        if self._spec.provider == "openai" and cut:
            raise failures.StreamCut("the stream ended without a finish reason")
        if isinstance(last, AIMessage) and not last.text.strip() and not last.tool_calls:
            raise failures.EmptyAnswer("neither words nor tool calls")
        return response
