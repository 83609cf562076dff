"""The providers we know and how each makes a chat model; a package is imported only when its provider is used."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel

from aiops.agent.values import ModelSpec
from aiops.errors import RunFailed

PROVIDERS = ("offline", "ollama", "openai")


def make(spec: ModelSpec, *, timeout_s: float) -> BaseChatModel:
    """Return the chat model; raises RunFailed ``unknown_provider`` or ``bad_model`` with the cure."""
    if spec.provider not in PROVIDERS:
        raise RunFailed(
            f"There is no provider {spec.provider!r}: choose one of {', '.join(PROVIDERS)}.", code="unknown_provider"
        )
    try:
        return _kept(replace(spec, reason=""), timeout_s)
    except ValueError as error:
        raise RunFailed(f"The model {spec.name!r} cannot be used: {error}", code="bad_model") from error


@functools.lru_cache(maxsize=64)
def _kept(spec: ModelSpec, timeout_s: float) -> BaseChatModel:
    """Return the model of these settings, made once in a process: its connections stay warm."""
    module = importlib.import_module(f"aiops.agent.llm.{spec.provider}")
    build: Callable[..., BaseChatModel] = module.build
    return build(spec, timeout_s=timeout_s)


def given(**options: Any) -> dict[str, Any]:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value not in (None, "")}
