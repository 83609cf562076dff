"""Chooses the language model of a run: in LAB the one of the environment, or the offline one without any."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiops.errors import Conflict, Invalid
from aiops.llm.providers import OFFLINE, PROVIDERS
from aiops.llm.values import ModelSpec, Pace
from aiops.settings import Settings

CURE = "There is no model in {environment}: models come from the environment in LAB only (AIOPS_ENVIRONMENT=LAB)."


def configured(settings: Settings) -> list[ModelSpec]:
    """Return the models that a message may name, the default first; raises Conflict ``no_default_model``."""
    if settings.environment != "LAB":
        raise Conflict(CURE.format(environment=settings.environment), code="no_default_model")
    name = settings.llm_type.lower() or _inferred(settings)
    provider = PROVIDERS.get(name)
    if provider is None:
        raise Conflict(f"LLM_TYPE={name} is not one of {', '.join(PROVIDERS)}: correct it.", code="no_default_model")
    if name == OFFLINE:
        return [ModelSpec(OFFLINE, OFFLINE)]
    if not settings.llm_model:
        raise Conflict(f"LLM_TYPE={name} needs LLM_MODEL, the model's name: set it.", code="no_default_model")
    if missing := provider.missing_variable(settings):
        raise Conflict(f"LLM_TYPE={name} needs {missing}.", code="no_default_model")
    spec = ModelSpec(
        name,
        settings.llm_model,
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        base_url=settings.of_provider(provider.url.name) if provider.url else "",
        api_key=settings.of_provider(provider.key.name) if provider.key else "",
    )
    return [spec, ModelSpec(OFFLINE, OFFLINE)]


def choose(settings: Settings, options: dict[str, Any]) -> ModelSpec:
    """Return the model for a message's options (model, provider, temperature, max_tokens).

    Raises Invalid when the named model is not configured, Conflict ``no_default_model`` when none is.
    """
    models = configured(settings)
    name, provider = options.get("model"), options.get("provider")
    matching = [m for m in models if (name in (None, m.name)) and (provider in (None, m.provider))]
    if not matching:
        known = ", ".join(f"{m.name} ({m.provider})" for m in models)
        raise Invalid(
            "There is no such model.",
            errors={"provider" if name is None else "model": [f"Not configured. There are: {known}."]},
        )
    chosen = matching[0]
    own = {name: options[name] for name in ("temperature", "max_tokens") if options.get(name) is not None}
    chosen = replace(chosen, **own) if own else chosen
    return replace(chosen, reason="asked for") if name or provider else chosen


def problem_with(options: dict[str, Any], settings: Settings) -> str:
    """Return why no run can have these options; empty when it can, or while no model is configured at all."""
    try:
        choose(settings, {name: options[name] for name in ("model", "provider") if name in options})
    except Invalid as error:
        return " ".join(f"{field}: {reason}" for field, reasons in error.errors.items() for reason in reasons)
    except Conflict:
        return ""
    return ""


def pace(settings: Settings) -> Pace:
    """Return the limits of each model for all processes together."""
    return Pace(settings.llm_max_concurrency, settings.llm_requests_per_minute, settings.llm_tokens_per_minute)


def _inferred(settings: Settings) -> str:
    named = [one for one in PROVIDERS.values() if one.is_named_by(settings)] if settings.llm_model else []
    return min(named, key=lambda one: one.guessed_at).name if named else OFFLINE
