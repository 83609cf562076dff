"""Chat models that middleware calls itself: their tokens count for the run, at their own price."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.outputs import LLMResult
from langgraph.runtime import get_runtime

from aiops.llm.values import ModelSpec, Price


class Counting(AsyncCallbackHandler):
    """Tells the run's Watcher what each call of a model used."""

    def __init__(self, price: Price) -> None:
        self._price = price

    async def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        used = getattr(getattr(response.generations[0][0], "message", None), "usage_metadata", None)
        if used:
            watcher: Any = get_runtime().context
            watcher.spent(self._price, used)


def prepared(model: BaseChatModel, spec: ModelSpec) -> BaseChatModel:
    """Let a model count for the run, and know the context window that its row has."""
    model.callbacks = [Counting(spec.price)]
    if spec.context_window:
        model.profile = {**(model.profile or {}), "max_input_tokens": spec.context_window}
    return model
