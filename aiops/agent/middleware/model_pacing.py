"""Delays a model call until its turn among all processes; a provider that asks to wait delays all of them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage
from langchain_core.messages.utils import count_tokens_approximately

from aiops import log
from aiops.agent.ports import Watcher
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.llm.pacing import Pacer
from aiops.llm.values import ModelSpec

SAID_AFTER_S = 3.0
"""The reader gets a notice after waiting this long."""
BUSY = "The model {model!r} has many requests at once: this answer waits for its turn."
LOADING = "The model {model!r} is being loaded by its server: this answer waits for it."
OF_SETTINGS = "LLM_MAX_CONCURRENCY, LLM_REQUESTS_PER_MINUTE, LLM_TOKENS_PER_MINUTE"
OF_ROW = "in the model's row"

logger = log.get(__name__)


class ModelPacing(AgentMiddleware[Any, Any]):
    """Wraps every attempt of a model call."""

    def __init__(self, spec: ModelSpec, pacer: Pacer, *, patience_s: float) -> None:
        super().__init__()
        self._spec = spec
        self._model = spec.label
        self._pacer = pacer
        self._patience_s = patience_s

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model; raises RunFailed ``model_busy``, or the provider's refusal when it lasts too long."""
        pace = self._spec.pace or self._pacer.pace
        tokens = count_tokens_approximately(request.messages) if pace.tokens_per_minute else 0
        patience = _Patience(self._spec, request.runtime.context, self._patience_s)
        while True:
            call = await self._pacer.enter(self._model, tokens=tokens, waiting=patience.wait, pace=pace)
            try:
                async with self._pacer.holding(self._model, call):
                    response = await handler(request)
            except BaseException as error:  # a cancelled call must release its place, too
                if not failures.asks_to_wait(error):
                    await self._pacer.ended(self._model, call)
                    raise
                pause_s = failures.retry_after_s(error)
                logger.info("model.refused", model=self._model, retry_after_s=pause_s)
                await self._pacer.refused(self._model, call, retry_after_s=pause_s)
                patience.refusal = error
                if failures.is_out_of_quota(error, self._spec) or patience.ends_within(pause_s):
                    raise
            else:
                await self._pacer.answered(self._model, call, more_tokens=_used(response) - tokens if tokens else 0)
                return response


class _Patience:
    """How long one call has waited, and whether its reader got the notice."""

    def __init__(self, spec: ModelSpec, watcher: Watcher, patience_s: float) -> None:
        self._spec = spec
        self._watcher = watcher
        self._begun = time.monotonic()
        self._patience_s = patience_s
        self._notified = False
        self.refusal: BaseException | None = None

    def ends_within(self, seconds: float) -> bool:
        if self._is_loading():  # it takes as long as it takes; the run's deadline ends it
            return False
        return time.monotonic() + seconds > self._begun + self._patience_s

    async def wait(self) -> None:
        """Notify the reader once; raises RunFailed, or the provider's last refusal, after ``patience_s``."""
        if self.ends_within(0) and self.refusal is not None:
            raise self.refusal
        if self.ends_within(0):
            raise RunFailed(
                f"The model {self._spec.name!r} of {self._spec.provider} had too many requests at once: this answer "
                f"waited {self._patience_s:.0f} s for its turn. Try again, or raise its limits "
                f"({OF_ROW if self._spec.pace else OF_SETTINGS}).",
                code="model_busy",
                retry=True,
            )
        if not self._notified and time.monotonic() > self._begun + SAID_AFTER_S:
            self._notified = True
            code, text = ("model_loading", LOADING) if self._is_loading() else ("model_busy", BUSY)
            await self._watcher.notice(code, text.format(model=self._spec.name))

    def _is_loading(self) -> bool:
        return self.refusal is not None and failures.is_loading(self.refusal)


def _used(response: Any) -> int:
    """Return the number of tokens that the provider reports for a call; 0 when it reports none."""
    last = response.result[-1] if response.result else None
    usage = last.usage_metadata if isinstance(last, AIMessage) else None
    return usage["total_tokens"] if usage else 0
