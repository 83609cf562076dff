"""LAB's model: the one that the environment describes, as a value."""

from __future__ import annotations

import json

from aiops.llm.providers import HANDLERS, OFFLINE
from aiops.llm.values import ModelSpec
from aiops.settings import Settings

OFFLINE_MODEL = ModelSpec(OFFLINE, OFFLINE)


def model(settings: Settings) -> ModelSpec:
    """Return the model of the environment, the offline one without any; raises ValueError with cause and cure."""
    name = settings.llm_type.lower() or _inferred(settings)
    handler = HANDLERS.get(name)
    if handler is None:
        raise ValueError(f"LLM_TYPE={name} is not one of {', '.join(HANDLERS)}: correct it.")
    if name == OFFLINE:
        return OFFLINE_MODEL
    if handler.needs_model and not settings.llm_model:
        raise ValueError(f"LLM_TYPE={name} needs LLM_MODEL, the model's name: set it.")
    if missing := handler.missing_variable(settings):
        raise ValueError(f"LLM_TYPE={name} needs {missing}.")
    return ModelSpec(
        name,
        settings.llm_model or settings.llm_type,
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        config=json.dumps(handler.config_of(settings), sort_keys=True),
        api_key=settings.of_provider(handler.key.name) if handler.key else "",
        lacks=handler.lacks,
        routes_itself=handler.routes_itself,
    )


def _inferred(settings: Settings) -> str:
    named = [name for name, one in HANDLERS.items() if one.is_named_by(settings)] if settings.llm_model else []
    return min(named, key=lambda name: HANDLERS[name].guessed_at) if named else OFFLINE
