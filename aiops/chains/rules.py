"""Validates the rows of chains, without loading the agent or a package's class."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import regex
from django.core.exceptions import ValidationError

from aiops import schemas
from aiops.chains.langchain_types import MODEL_FALLBACK
from aiops.chains.types import BUILT_IN, ENTRY_POINTS, of_packages
from aiops.chains.values import model_fields, models_named
from aiops.llm.models import LLMModel

if TYPE_CHECKING:
    from aiops.chains.models import LLMMiddleware, MiddlewareType

MAX_JSON_BYTES = 16_384
TWICE = "{model} already has {middleware}: change that one."
BUILT_IN_STAYS = "A built-in type cannot be changed or deleted: give the model a config of its own."


def check_type(row: MiddlewareType) -> None:
    """Raise ValidationError, by field, for a type that could not be used."""
    errors: dict[str, Any] = {}
    if row.is_custom:
        if row.name in BUILT_IN:
            errors["name"] = "There is a built-in type of this name."
        known = of_packages()
        if row.path not in known:
            there = f"There are: {', '.join(known)}." if known else "No installed package has one."
            errors["path"] = f"No package offers this class (entry point {ENTRY_POINTS}). {there}"
    try:
        schemas.compiled(json.dumps(row.config_schema))
    except schemas.BadSchema as error:
        errors["config_schema"] = f"Not a JSON Schema we can use: {error}"
    else:
        if found := misfits(row.default_config, row.config_schema):
            errors["default_config"] = found
    if errors:
        raise ValidationError(errors)


def check_use(row: LLMMiddleware) -> None:
    """Raise ValidationError for a config that does not fit its type."""
    if not isinstance(row.config, dict):
        raise ValidationError({"config": "An object of names and values."})
    if row.middleware_id is None:
        return
    if row.llm_model_id is not None:
        others = type(row).objects.filter(llm_model_id=row.llm_model_id, middleware_id=row.middleware_id)
        if others.exclude(pk=row.pk).exists():
            raise ValidationError({"middleware": TWICE.format(model=row.llm_model, middleware=row.middleware)})
    whole = {**row.middleware.default_config, **row.config}
    if found := misfits(whole, row.middleware.config_schema) or list(_unknown_models(row, whole)):
        raise ValidationError({"config": found})


def _unknown_models(row: LLMMiddleware, config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the models that a config names."""
    named = list(models_named(config, model_fields(row.middleware.config_schema)))
    known = set(LLMModel.objects.filter(name__in=[name for _, name in named]).values_list("name", flat=True))
    for field, name in named:
        if name not in known:
            yield f"{field}: there is no model {name!r}."
        if row.middleware.name == MODEL_FALLBACK and name == row.llm_model.name:
            yield f"{field}: {name} cannot be its own fallback."


def misfits(config: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a config: each begins with the place."""
    written = json.dumps(config)
    if not isinstance(config, dict):
        return ["An object of names and values."]
    if len(written) > MAX_JSON_BYTES:
        return [f"It has {len(written)} bytes; the most is {MAX_JSON_BYTES}."]
    return schemas.compiled(json.dumps(schema)).problems(written) or list(_bad_patterns(config))


def _bad_patterns(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the regular expressions of the built-in types."""
    listed = [*_texts(config.get("remove")), *_texts(config.get("patterns"))]
    listed += [config["detector"]] if isinstance(config.get("detector"), str) else []
    deny = config.get("deny")
    listed += [one.get("pattern", "") for one in deny if isinstance(one, dict)] if isinstance(deny, list) else []
    for one in listed:
        try:
            regex.compile(one)
        except regex.error as error:
            yield f"{one!r}: {error}."


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
