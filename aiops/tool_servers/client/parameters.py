"""Prepares a tool's parameters for models: JSON Schema with all references inlined, limited in size and depth."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""The dialect of MCP's schemas (specification of 2025-11-25)."""
MAX_BYTES = 64_000
"""Of one tool's schema as JSON with references inlined; every model request contains it."""
MAX_DEPTH = 64
"""Levels of JSON; an object within an object takes two or three of them."""
UNSUPPORTED = ("$dynamicRef", "$recursiveRef")


class UnusableTool(ValueError):
    """No model can be given this tool; the message states why."""


def inlined(schema: Any) -> dict[str, Any]:
    """Return the schema of a tool's parameters without references; raises UnusableTool.

    A recursive reference becomes a schema that accepts any value.
    """
    if not isinstance(schema, dict):
        raise UnusableTool("its schema is not an object")
    root = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    flat: dict[str, Any] = _Inlining(schema).of(root, depth=0)
    if flat.setdefault("type", "object") != "object":
        raise UnusableTool("its schema's type is not object")
    flat.setdefault("properties", {})
    if not jsonschema_rs.meta.is_valid({**flat, "$schema": DIALECT}):
        raise UnusableTool("its schema is not valid JSON Schema")
    return flat


class _Inlining:
    """Walks one schema and counts the size of the result: a few bytes of references can expand without bound."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._left = MAX_BYTES
        self._enclosing: list[str] = []

    def of(self, value: Any, depth: int) -> Any:
        """Return a value with its references inlined."""
        if depth > MAX_DEPTH:
            raise UnusableTool(f"its schema is nested more than {MAX_DEPTH} levels deep")
        if isinstance(value, dict):
            return self._of_object(value, depth)
        self._spend(1)
        if isinstance(value, list):
            return [self.of(one, depth + 1) for one in value]
        self._spend(len(value) if isinstance(value, str) else len(json.dumps(value)))
        return value

    def _of_object(self, value: dict[str, Any], depth: int) -> dict[str, Any]:
        self._spend(2)
        found: dict[str, Any] = {}
        if isinstance(reference := value.get("$ref"), str):
            found = self._of_reference(reference, depth)
        for name, inner in value.items():
            if name in UNSUPPORTED:
                raise UnusableTool(f"its schema uses {name}")
            if name == "$ref" and isinstance(inner, str):
                continue
            self._spend(len(name) + 3)
            found[name] = self.of(inner, depth + 1)
        return found

    def _of_reference(self, reference: str, depth: int) -> dict[str, Any]:
        if reference in self._enclosing:
            return {}
        self._enclosing.append(reference)
        target = self.of(self._target(reference), depth + 1)
        self._enclosing.pop()
        return target if isinstance(target, dict) else {} if target else {"not": {}}

    def _target(self, reference: str) -> Any:
        where = f"its schema refers to {reference[:100]!r}"
        if reference != "#" and not reference.startswith("#/"):
            raise UnusableTool(f"{where}: only references that begin with #/ can be followed")
        target: Any = self._schema
        for part in unquote(reference).split("/")[1:]:
            step = part.replace("~1", "/").replace("~0", "~")
            if isinstance(target, dict) and step in target:
                target = target[step]
            elif isinstance(target, list) and step.isdecimal() and int(step) < len(target):
                target = target[int(step)]
            else:
                raise UnusableTool(f"{where}, which does not exist")
        if not isinstance(target, dict | bool):
            raise UnusableTool(f"{where}, which is not a schema")
        return target

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise UnusableTool(f"its schema has more than {MAX_BYTES:,} bytes with its references inlined")
