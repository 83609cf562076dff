"""A built-in type of middleware as plain data, and what the JSON Schema of a type says about models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MODEL_FORMAT = "model"
"""``format`` of a property, or of its items, whose value is the name of a model: the class gets the chat model."""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """One type: where its class is, what it does, and the JSON Schema of its config."""

    path: str
    description: str
    properties: Mapping[str, Any] = field(default_factory=dict)
    default: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    """What the schema says besides, such as ``required``."""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its config."""
        return {"type": "object", "properties": dict(self.properties), "additionalProperties": False, **self.more}


def model_fields(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the properties whose values are names of models."""
    properties = schema.get("properties")
    listed = properties.items() if isinstance(properties, dict) else ()
    return tuple(name for name, one in listed if isinstance(one, dict) and _is_of_models(one))


def models_named(config: Mapping[str, Any], fields: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the field and the name for each model that a config names."""
    for field_ in fields:
        value = config.get(field_)
        yield from ((field_, name) for name in (value if isinstance(value, list) else [value]) if isinstance(name, str))


def _is_of_models(one: Mapping[str, Any]) -> bool:
    items = one.get("items")
    return one.get("format") == MODEL_FORMAT or (isinstance(items, dict) and items.get("format") == MODEL_FORMAT)
