"""Providers and models for tests, and calls to their API in somebody's name."""

from __future__ import annotations

from typing import Any

from aiops.llm.models import LLMModel, LLMProvider
from tests.integration.secrets.calls import Call, calls, grown

EVERYTHING = [
    f"{verb}_{table}" for verb in ("view", "add", "change", "delete") for table in ("llmprovider", "llmmodel")
]
TYPES, USES = "/api/middleware-types/", "/api/llm-middleware/"
CHAINS = [
    f"{verb}_{what}" for what in ("middlewaretype", "llmmiddleware") for verb in ("view", "add", "change", "delete")
]
PROVIDERS, MODELS = "/api/llm-providers/", "/api/llm-models/"


def editor(name: str = "eve", *more: str) -> Call:
    """Return the calls of somebody who may do everything with providers and models, and ``more``."""
    return calls(grown(name, *EVERYTHING, *more), MODELS)


def provider(name: str = "local", handler: str = "ollama", **fields: Any) -> LLMProvider:
    return LLMProvider.objects.create(name=name, handler=handler, **fields)


def model(name: str = "m", of: LLMProvider | None = None, **fields: Any) -> LLMModel:
    return LLMModel.objects.create(name=name, provider=of or LLMProvider.objects.first() or provider(), **fields)
