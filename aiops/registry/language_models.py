"""Which language model answers: in LAB the environment's, or the offline one when it names none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from aiops.agent.values import ModelSpec, Pace
from aiops.errors import Conflict, Invalid
from aiops.settings import Settings

OFFLINE = "offline"
PROVIDERS = (OFFLINE, "ollama", "openai")
CURE = "There is no model in {environment}: only LAB takes one from the environment (AIOPS_ENVIRONMENT=LAB)."


def configured(settings: Settings) -> list[ModelSpec]:
    """Return the models that may be asked for, the default first; raises Conflict ``no_default_model``."""
    if settings.environment != "LAB":
        raise Conflict(CURE.format(environment=settings.environment), code="no_default_model")
    provider = settings.llm_type.lower() or _guessed(settings)
    if provider not in PROVIDERS:
        raise Conflict(
            f"LLM_TYPE={provider} is not one of {', '.join(PROVIDERS)}: correct it.", code="no_default_model"
        )
    if provider == OFFLINE:
        return [ModelSpec(OFFLINE, OFFLINE)]
    if not settings.llm_model:
        raise Conflict(f"LLM_TYPE={provider} needs LLM_MODEL, the model's name: set it.", code="no_default_model")
    if provider == "openai" and not settings.openai_api_key.get_secret_value() and not settings.openai_base_url:
        raise Conflict(
            "LLM_TYPE=openai needs OPENAI_API_KEY, or OPENAI_BASE_URL of your own server.", code="no_default_model"
        )
    address = {"openai": settings.openai_base_url, "ollama": settings.ollama_base_url}[provider]
    key = settings.openai_api_key.get_secret_value() if provider == "openai" else ""
    made = ModelSpec(
        provider,
        settings.llm_model,
        temperature=settings.llm_temperature,
        max_tokens=settings.llm_max_tokens,
        base_url=address,
        api_key=key,
    )
    return [made, ModelSpec(OFFLINE, OFFLINE)]


def choose(settings: Settings, options: dict[str, Any]) -> ModelSpec:
    """Return the model for what a message asks (model, provider, temperature).

    Raises Invalid when what it names is not configured, Conflict ``no_default_model`` when nothing is.
    """
    models = configured(settings)
    name, provider = options.get("model"), options.get("provider")
    fitting = [m for m in models if (name in (None, m.name)) and (provider in (None, m.provider))]
    if not fitting:
        known = ", ".join(f"{m.name} ({m.provider})" for m in models)
        field = "model" if name is not None else "provider"
        raise Invalid("There is no such model.", errors={field: [f"Not configured. There are: {known}."]})
    chosen = fitting[0]
    if options.get("temperature") is not None:
        chosen = replace(chosen, temperature=options["temperature"])
    return replace(chosen, reason="asked for") if name or provider else chosen


def pace(settings: Settings) -> Pace:
    """Return what each model may be asked by all processes together."""
    return Pace(settings.llm_max_concurrency, settings.llm_requests_per_minute, settings.llm_tokens_per_minute)


def _guessed(settings: Settings) -> str:
    if settings.llm_model and (settings.openai_api_key.get_secret_value() or settings.openai_base_url):
        return "openai"
    return "ollama" if settings.llm_model and settings.ollama_base_url else OFFLINE
