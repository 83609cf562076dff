"""Additions to the OpenAPI document: problems, the event stream, and rules of bodies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aiops.web.api.parsing import Strict
from aiops.web.api.problems import CONTENT_TYPE

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The cause, and the cure if known."},
        "code": {"type": "string", "description": "Stable, snake_case."},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
EVENTS_TEXT = {
    "type": "string",
    "description": (
        "Server-Sent Events: of each, `id` (send it as `Last-Event-ID` to resume after this event), `event` and "
        "`data`, JSON with `run`, `fence`, `seq`, `at` and what the type adds."
    ),
}
RULES: dict[str, dict[str, Any]] = {
    "CancelInRequest": {
        "oneOf": [{"required": ["ids"]}, {"required": ["state"]}],
        "dependentRequired": {"conversation": ["state"]},
    },
    "PatchedConversationPatchRequest": {"minProperties": 1},
}
"""Rules that the generator cannot derive from serializers."""
EVENTS = {
    "get": {
        "operationId": "runs_events",
        "description": "The run's events (SSE); `Last-Event-ID` replays later events. 204 if all were sent.",
        "tags": ["runs"],
        "parameters": [
            {"in": "path", "name": "id", "required": True, "schema": {"type": "string", "format": "uuid"}},
            {"in": "query", "name": "render", "schema": {"type": "string", "enum": ["html"]}},
            {
                "in": "header",
                "name": "Last-Event-ID",
                "schema": {"type": "string", "pattern": "^([0-9]{1,20}-[0-9]{1,20})?$"},
            },
        ],
        "security": [{"token": []}, {"session": []}],
        "responses": {
            "200": {"description": "", "content": {"text/event-stream": {"schema": EVENTS_TEXT}}},
            "204": {"description": "All events were sent before."},
        },
    }
}


def with_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the event stream, the problem document as every call's default response, and the rules of bodies."""
    schemas = result["components"].setdefault("schemas", {})
    schemas["Problem"] = PROBLEM
    for name in {f"{prefix}{shape.__name__}Request" for shape in _heirs(Strict) for prefix in ("", "Patched")}:
        if name in schemas:
            schemas[name] |= {"additionalProperties": False, **RULES.get(name, {})}
    result["paths"]["/api/runs/{id}/events"] = EVENTS
    problem = {
        "description": "A problem.",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = problem
            body = operation.get("requestBody", {})
            if any(name in str(body) for name in RULES):
                body["required"] = True
    return result


def _heirs(shape: type[Strict]) -> Iterator[type[Strict]]:
    """Yield every class that inherits from this one, directly or not."""
    for heir in shape.__subclasses__():
        yield heir
        yield from _heirs(heir)
