"""Retries a model call after a transient error, with back-off and jitter; watchers discard the partial answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langgraph.errors import GraphBubbleUp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from aiops import log
from aiops.agent.ports import Watcher
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.llm.explanations import explain
from aiops.llm.values import ModelSpec

logger = log.get(__name__)


class ModelRetry(AgentMiddleware[Any, Any]):
    """Wraps every model call; a permanent failure is raised as RunFailed with its cure."""

    def __init__(self, spec: ModelSpec, *, tries: int) -> None:
        super().__init__()
        self._spec = spec
        self._tries = tries

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
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
                    return await handler(request)
        except (GraphBubbleUp, asyncio.CancelledError, RunFailed):
            raise
        except Exception as error:
            logger.warning("model.failed", provider=self._spec.provider, error=f"{type(error).__name__}: {error}"[:300])
            raise explain(error, self._spec) from error

    async def _discard(self, watcher: Watcher, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        logger.warning(
            "model.retry", provider=self._spec.provider, attempt=state.attempt_number, error=type(error).__name__
        )
        await watcher.model_call_failed("model_retry")
