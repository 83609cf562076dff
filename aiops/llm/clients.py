"""Creates chat models, each once per process, so that its connections are reused."""

from __future__ import annotations

import functools

from langchain_core.language_models.chat_models import BaseChatModel

from aiops.errors import RunFailed
from aiops.llm.providers import PROVIDERS
from aiops.llm.values import ModelSpec


def make(spec: ModelSpec, *, timeout_s: float) -> BaseChatModel:
    """Return the chat model; raises RunFailed ``unknown_provider`` or ``bad_model``."""
    if spec.provider not in PROVIDERS:
        raise RunFailed(
            f"There is no provider {spec.provider!r}: choose one of {', '.join(PROVIDERS)}.", code="unknown_provider"
        )
    try:
        return _cached(spec, timeout_s)
    except ValueError as error:
        raise RunFailed(f"The model {spec.name!r} cannot be used: {error}", code="bad_model") from error


@functools.lru_cache(maxsize=64)
def _cached(spec: ModelSpec, timeout_s: float) -> BaseChatModel:
    return PROVIDERS[spec.provider].build(spec, timeout_s=timeout_s)
