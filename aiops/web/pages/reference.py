"""The OpenAPI document as rows that the page of the API shows: operations by tag, and the shapes they name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from drf_spectacular.generators import SchemaGenerator

METHODS = ("get", "post", "put", "patch", "delete")
REF = "#/components/schemas/"
Facts = dict[str, Any]


@cache
def read() -> Facts:
    """Return ``tags`` (each with its operations) and ``shapes``; the document is the same while the process lives."""
    document: Facts = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    tags: dict[str, list[Facts]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if operation := methods.get(method):
                tags.setdefault(operation.get("tags", ["other"])[0], []).append(_operation(path, method, operation))
    schemas = document["components"]["schemas"]
    shapes = [
        {"name": name, "fields": _fields(schema), **_said(schema, schema.get("description", ""))}
        for name, schema in sorted(schemas.items())
    ]
    return {"tags": sorted(tags.items()), "shapes": shapes}


def _operation(path: str, method: str, operation: Facts) -> Facts:
    bodies = operation.get("requestBody", {}).get("content", {})
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "says": _says(operation),
        "parameters": [
            {
                "name": one["name"],
                "place": one["in"],
                "required": one.get("required", False),
                **_said(one["schema"], one.get("description", "")),
            }
            for one in operation.get("parameters", ())
        ],
        "bodies": [
            {"media_type": media, **_type(content.get("schema", {})), "examples": list(_examples(content))}
            for media, content in bodies.items()
        ],
        "answers": [
            {"status": status, "says": answer.get("description", ""), **_content(answer)}
            for status, answer in operation["responses"].items()
        ],
    }


def _says(operation: Facts) -> str:
    """Return what a call does; without words of its own it has the docstring of its view, which names the path."""
    text = str(operation.get("description") or operation.get("summary", "")).replace("``", "")
    if not text.startswith("/api/"):
        return text
    return "Return a page of the list." if operation["operationId"].endswith("_list") else "Return one."


def _content(answer: Facts) -> Facts:
    for media, content in answer.get("content", {}).items():
        return {"media_type": media, **_type(content.get("schema", {}))}
    return {"media_type": "", "type": "", "shape": ""}


def _examples(content: Facts) -> Iterable[Facts]:
    for one in content.get("examples", {}).values():
        yield {"name": one.get("summary", ""), "text": json.dumps(one.get("value"), indent=2, ensure_ascii=False)}


def _fields(schema: Facts) -> list[Facts]:
    required = schema.get("required", ())
    return [
        {"name": name, "required": name in required, **_said(field, field.get("description", ""))}
        for name, field in schema.get("properties", {}).items()
    ]


def _said(schema: Facts, description: str) -> Facts:
    """Return a value's type, the shape it refers to, and its rules in words."""
    limits = [
        f"{words} {schema[name]}"
        for name, words in {
            "minimum": "at least",
            "maximum": "at most",
            "maxLength": "characters, at most",
            "maxItems": "items, at most",
            "default": "default",
        }.items()
        if schema.get(name) not in (None, "")
    ]
    values = f"one of {', '.join(map(str, schema['enum']))}" if "enum" in schema else ""
    return {**_type(schema), "says": "; ".join(filter(None, [description, values, *limits]))}


def _type(schema: Facts) -> Facts:
    """Return the type in words, and the name of the shape that it refers to."""
    if ref := schema.get("$ref"):
        name = ref.removeprefix(REF)
        return {"type": name, "shape": name}
    for several in ("allOf", "oneOf", "anyOf"):
        if several in schema:
            parts = [_type(one) for one in schema[several]]
            named = next((part["shape"] for part in parts if part["shape"]), "")
            return {"type": " or ".join(dict.fromkeys(part["type"] for part in parts if part["type"])), "shape": named}
    kind = schema.get("type", "any")
    words = " or ".join(kind) if isinstance(kind, list) else kind
    if words.startswith("array"):
        inner = _type(schema.get("items", {}))
        return {"type": f"list of {inner['type']}", "shape": inner["shape"]}
    return {"type": f"{words} ({schema['format']})" if "format" in schema else words, "shape": ""}
