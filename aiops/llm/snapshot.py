"""The models that are configured now, as one frozen value per process; a change is in force within a second.

Each change raises the tables' version in its own transaction (``version``); a process reads that number at most every
half a second, and the tables only when it has changed. The control message makes no difference to what is in force:
it lets workers make the new default's client before the first run needs it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import DatabaseError, InterfaceError

from aiops import log
from aiops.chains.langchain_types import MODEL_FALLBACK
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.values import model_fields, models_named
from aiops.llm import choice, environment, version
from aiops.llm.models import LLMModel, ModelFallback
from aiops.llm.providers import HANDLERS
from aiops.llm.values import CAPABILITIES, MiddlewareSpec, Models, ModelSpec, Pace, Price, PromptSpec
from aiops.people.models import User
from aiops.secrets.checking import spec_of
from aiops.settings import Settings

FRESH_S = 0.5
NO_DEFAULT = (
    "There is no default model in {environment}: add a provider and a model and make it the default, on the page "
    "Models or with aiops models."
)
NOT_ENABLED = "The default model {model} cannot be used, because its provider {provider} is not enabled: enable it."

logger = log.get(__name__)


@dataclass(slots=True)
class _Held:
    settings: Settings
    models: Models
    read_at: float


_lock = threading.Lock()
_held: _Held | None = None


def current(settings: Settings) -> Models:
    """Return the models of now; while the database is away, those of before."""
    global _held
    held = _held
    if held is not None and held.settings is settings and time.monotonic() - held.read_at < FRESH_S:
        return held.models
    with _lock:
        held = _held if _held is not None and _held.settings is settings else None
        try:
            number = version.number()
            models = held.models if held is not None and held.models.version == number else read(settings, number)
        except (DatabaseError, InterfaceError) as error:
            if held is None:
                raise
            logger.warning("models.unread", error=str(error))
            models = held.models
        _held = _Held(settings, models, time.monotonic())
    return models


def for_user(user: User, settings: Settings) -> Models:
    """Return the models that a person may name; the default answers everybody who names none."""
    models = current(settings)
    if not any(one.groups for one in models.specs) or user.has_perm("llm.change_llmmodel"):
        return models
    mine = set(user.groups.values_list("name", flat=True))
    return replace(models, specs=tuple(one for one in models.specs if not one.groups or one.groups & mine))


def problem_with(options: dict[str, Any], settings: Settings, *, user: User) -> str:
    """Return why no run of a person can have these options; empty when it can, or while there is no model at all."""
    return choice.problem_with(options, for_user(user, settings))


def forget() -> None:
    """Read the version again at the next call: a change was announced, or made here."""
    global _held
    held = _held
    if held is not None:
        _held = _Held(held.settings, held.models, float("-inf"))


def read(settings: Settings, number: int = 0) -> Models:
    """Return what the tables and, in LAB, the environment say."""
    # Few providers, secrets and prompts belong to many models: joined, each would be made once for every model.
    shared = ("provider", "model_secret_key", "system_prompt", "advanced_model")
    rows = LLMModel.objects.filter(is_enabled=True).prefetch_related(*shared)
    usable = [row for row in rows if row.provider.is_enabled]
    fallbacks: dict[object, list[str]] = {}
    for owner, name in ModelFallback.objects.values_list("llm_model_id", "fallback__name"):
        fallbacks.setdefault(owner, []).append(name)
    chains = _chains({row.name: row for row in usable})
    specs = [spec(row, fallbacks.get(row.pk, ()), chains.get(row.pk, ())) for row in usable]
    default = next((one for row, one in zip(usable, specs, strict=True) if row.is_default), None)
    problem = ""
    if default is None:
        stuck = next((row for row in rows if row.is_default), None)
        problem = (
            NOT_ENABLED.format(model=stuck.name, provider=stuck.provider.name)
            if stuck is not None
            else NO_DEFAULT.format(environment=settings.environment)
        )
    if settings.environment != "LAB":
        return Models(tuple(specs), default, problem, number)
    names = {one.name for one in specs}
    try:
        own = environment.model(settings)
    except ValueError as error:
        return Models((*specs, environment.OFFLINE_MODEL), default, str(error), number)
    gaps = [one for one in dict.fromkeys((own, environment.OFFLINE_MODEL)) if one.name not in names]
    return Models((*specs, *gaps), default or own, "", number)


def _chains(usable: Mapping[str, LLMModel]) -> dict[object, list[MiddlewareSpec]]:
    """Return the active middleware of each model, by priority, then name."""
    chains: dict[object, list[MiddlewareSpec]] = {}
    helpers: dict[str, ModelSpec] = {}
    rows = LLMMiddleware.objects.filter(is_active=True).prefetch_related("middleware")
    for row in rows.order_by("priority", "middleware__name"):
        made = replace(middleware_spec(row.middleware, row.config), is_critical=row.is_critical)
        for _, name in models_named(made.options, made.model_fields):
            if name in usable and name not in helpers:
                helpers[name] = spec(usable[name])
        made = _with_models(made, helpers)
        chains.setdefault(row.llm_model_id, []).append(made)
    return chains


def middleware_spec(kind: MiddlewareType, config: Mapping[str, Any]) -> MiddlewareSpec:
    """Return a type with a config as a value, without the models that it names."""
    whole = json.dumps({**kind.default_config, **config}, sort_keys=True)
    return MiddlewareSpec(kind.name, kind.path, whole, model_fields=model_fields(kind.config_schema))


def with_models(one: MiddlewareSpec, models: Models) -> MiddlewareSpec:
    """Return a middleware with those of the models that it names."""
    return _with_models(one, {spec_.name: replace(spec_, chain=()) for spec_ in models.specs})


def _with_models(one: MiddlewareSpec, known: Mapping[str, ModelSpec]) -> MiddlewareSpec:
    named = {name: known[name] for _, name in models_named(one.options, one.model_fields) if name in known}
    return replace(one, models=tuple(named.items()))


def spec(row: LLMModel, fallbacks: Iterable[str] = (), chain: Iterable[MiddlewareSpec] = ()) -> ModelSpec:
    """Return a row as a value."""
    chain = tuple(chain)
    configured = [one for one in chain if one.name == MODEL_FALLBACK]
    more = [name for one in configured for _, name in models_named(one.options, one.model_fields)]
    capabilities = row.capabilities
    handler = HANDLERS.get(row.provider.handler)
    lacks = {name for name in CAPABILITIES if capabilities.get(name) is False}
    echoes = bool(capabilities.get("reasoning_echo"))
    if handler is not None:
        lacks |= handler.lacks
        try:
            made = handler(row.provider.config_schema)
        except ValueError:  # a worker says why when it makes the client
            pass
        else:
            called = str(row.model_config.get("model") or row.name)
            lacks |= {"temperature"} & made.refused(called, row.model_config).keys()
            echoes = echoes or made.echoes_reasoning(row.model_config)
    return ModelSpec(
        row.provider.name,
        row.name,
        temperature=row.temperature,
        handler=row.provider.handler,
        config=_written(row.provider.config_schema),
        parameters=_written(row.model_config),
        secret=spec_of(row.model_secret_key) if row.model_secret_key is not None else None,
        client_ttl_s=row.cache_ttl,
        prompt=PromptSpec(row.system_prompt.name, row.system_prompt.version, row.system_prompt.prompt_text)
        if row.system_prompt is not None
        else None,
        chain=chain,
        context_window=row.context_window,
        lacks=frozenset(lacks),
        routes_itself=handler is not None and handler.routes_itself,
        echoes_reasoning=echoes,
        price=Price(row.price_in, row.price_out),
        pace=Pace(**row.limits) if row.limits else None,
        advanced=row.advanced_model.name if row.advanced_model is not None else "",
        patterns=tuple(row.advanced_patterns),
        fallbacks=tuple(dict.fromkeys((*fallbacks, *more))),
        from_row=True,
        groups=frozenset(row.groups),
    )


def _written(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True) if value else "{}"
