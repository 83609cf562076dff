"""Chat models that middleware calls itself: their calls wait for their turn, and count for the run."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import LLMResult
from langgraph.runtime import get_runtime

from aiops.llm import failures
from aiops.llm.pacing import Pacer
from aiops.llm.values import ModelSpec


class Helping(AsyncCallbackHandler):
    """Around each call of one model; the middleware that calls it bounds how long it waits."""

    raise_error = True
    """Otherwise a call would be made although it has no turn."""

    def __init__(self, spec: ModelSpec, pacer: Pacer | None) -> None:
        self._spec = spec
        self._pacer = pacer
        self._calls: dict[UUID, tuple[str, int]] = {}

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **_: Any
    ) -> None:
        if self._pacer is not None:
            tokens = count_tokens_approximately(messages[0])
            call = await self._pacer.enter(self._spec.label, tokens=tokens, waiting=_wait, pace=self._spec.pace)
            self._calls[run_id] = (call, tokens)

    async def on_llm_end(self, response: LLMResult, *, run_id: UUID, **_: Any) -> None:
        used = getattr(getattr(response.generations[0][0], "message", None), "usage_metadata", None)
        if used:
            watcher: Any = get_runtime().context
            watcher.spent(self._spec.price, used)
        if self._pacer is not None and run_id in self._calls:
            call, tokens = self._calls.pop(run_id)
            more = used["total_tokens"] - tokens if used else 0
            await self._pacer.answered(self._spec.label, call, more_tokens=more)

    async def on_llm_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        if self._pacer is None or run_id not in self._calls:
            return
        call, _tokens = self._calls.pop(run_id)
        if failures.asks_to_wait(error):
            pause_s = failures.retry_after_s(error)
            await self._pacer.refused(self._spec.label, call, retry_after_s=pause_s)
        else:
            await self._pacer.ended(self._spec.label, call)


def prepared(model: BaseChatModel, spec: ModelSpec, pacer: Pacer | None = None) -> BaseChatModel:
    """Let a model wait for its turn and count for the run, and know the context window that its row has."""
    model.callbacks = [Helping(spec, pacer)]
    if spec.context_window:
        model.profile = {**(model.profile or {}), "max_input_tokens": spec.context_window}
    return model


async def _wait() -> None:
    """Wait without a word: the time of the whole is bounded, and the notice about what failed says the rest."""
