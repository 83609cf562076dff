"""The inputs of a form for an object that a JSON Schema describes, such as a provider's settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Input:
    """One input: ``kind`` is text, url, number, choice, truth, lines (a text each) or json."""

    name: str
    label: str
    kind: str
    value: str
    help: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    step: str = "any"


def of_schema(schema: Mapping[str, Any], values: Mapping[str, Any]) -> list[Input]:
    """Return an input for each property; an empty one leaves the property out."""
    if "properties" not in schema:
        return [Input("", "Settings", "json", json.dumps(values) if values else "", help="a JSON object")]
    required = schema.get("required", ())
    return [
        _input(name, one, values.get(name), required=name in required)
        for name, one in schema.get("properties", {}).items()
    ]


def _input(name: str, schema: Mapping[str, Any], value: Any, *, required: bool) -> Input:
    kind, step = _kind(schema), "1" if schema.get("type") == "integer" else "any"
    if kind == "lines" and value and any(str(one) != str(one).strip() or "\n" in str(one) for one in value):
        kind = "json"  # a line of its own cannot show white space
    if value is None:
        shown = ""
    elif kind == "lines":
        shown = "\n".join(map(str, value))
    elif kind in ("json", "truth"):
        shown = json.dumps(value)
    else:
        shown = str(value)
    return Input(
        name,
        name.replace("_", " ").capitalize().replace(" url", " URL"),
        kind,
        shown,
        help=str(schema.get("description", "")),
        required=required,
        choices=tuple(map(str, schema.get("enum", ()))),
        step=step,
    )


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "choice"
    match schema.get("type"):
        case "integer" | "number":
            return "number"
        case "boolean":
            return "truth"
        case "array":
            return "lines"
        case "string":
            return "url" if schema.get("format") == "uri" else "text"
        case _:
            return "json"
