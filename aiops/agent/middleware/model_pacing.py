"""Makes a model call when it is its turn among those of all processes; a 429 makes everybody wait."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage
from langchain_core.messages.utils import count_tokens_approximately

from aiops import log
from aiops.agent.llm import failures
from aiops.agent.llm.pacing import Pacer
from aiops.agent.ports import Watcher
from aiops.agent.values import ModelSpec
from aiops.errors import RunFailed

SAID_AFTER_S = 3.0
"""A reader who waits this long is told why."""
BUSY = "The model {model!r} is asked by many at once: this answer waits for its turn."

logger = log.get(__name__)


class ModelPacing(AgentMiddleware[Any, Any]):
    """Wraps every try of a model call."""

    priority = 84

    def __init__(self, spec: ModelSpec, pacer: Pacer, *, patience_s: float) -> None:
        super().__init__()
        self._spec = spec
        self._model = f"{spec.provider}:{spec.name}"
        self._pacer = pacer
        self._patience_s = patience_s

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model; raises RunFailed ``model_busy``, or the provider's 429 when it lasts too long."""
        tokens = count_tokens_approximately(request.messages) if self._pacer.pace.tokens_per_minute else 0
        patience = _Patience(self._spec, request.runtime.context, self._patience_s)
        while True:
            call = await self._pacer.enter(self._model, tokens=tokens, waiting=patience.wait)
            try:
                response = await handler(request)
            except Exception as error:
                if failures.status_of(error) != failures.TOO_MANY:
                    await self._pacer.ended(self._model, call)
                    raise
                asked_s = failures.retry_after_s(error)
                logger.info("model.refused", model=self._model, retry_after_s=asked_s)
                await self._pacer.refused(self._model, call, retry_after_s=asked_s)
                if failures.is_out_of_quota(error) or patience.ends_within(asked_s):
                    raise
                patience.refusal = error
            except BaseException:
                await self._pacer.ended(self._model, call)
                raise
            else:
                await self._pacer.answered(self._model, call, more_tokens=_used(response) - tokens if tokens else 0)
                return response


class _Patience:
    """How long one call has waited, and whether its reader was told."""

    def __init__(self, spec: ModelSpec, watcher: Watcher, patience_s: float) -> None:
        self._spec = spec
        self._watcher = watcher
        self._begun = time.monotonic()
        self._patience_s = patience_s
        self._told = False
        self.refusal: Exception | None = None

    def ends_within(self, seconds: float) -> bool:
        return time.monotonic() + seconds > self._begun + self._patience_s

    async def wait(self) -> None:
        """Tell the reader after a while; raises RunFailed, or the provider's last refusal, when it lasts too long."""
        if self.ends_within(0) and self.refusal is not None:
            raise self.refusal
        if self.ends_within(0):
            raise RunFailed(
                f"The model {self._spec.name!r} of {self._spec.provider} was asked by too many at once: this answer "
                f"waited {self._patience_s:.0f} s for its turn. Try again, or raise what it may be asked "
                "(LLM_MAX_CONCURRENCY, LLM_REQUESTS_PER_MINUTE, LLM_TOKENS_PER_MINUTE).",
                code="model_busy",
                retry=True,
            )
        if not self._told and time.monotonic() > self._begun + SAID_AFTER_S:
            self._told = True
            await self._watcher.notice("model_busy", BUSY.format(model=self._spec.name))


def _used(response: Any) -> int:
    """Return how many tokens a call took, as its provider says; 0 when it does not."""
    last = response.result[-1] if response.result else None
    usage = last.usage_metadata if isinstance(last, AIMessage) else None
    return usage["total_tokens"] if usage else 0
