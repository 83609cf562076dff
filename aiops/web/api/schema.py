"""Additions to the OpenAPI document: every call may answer with a problem, and the two doors outside Django."""

from __future__ import annotations

from typing import Any

from aiops.web.api.problems import CONTENT_TYPE

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "The cause, and the cure where we know it."},
        "code": {"type": "string", "description": "Stable, snake_case."},
        "errors": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
    },
}
EVENTS = {
    "get": {
        "operationId": "runs_events",
        "description": "The run's events (SSE); `Last-Event-ID` replays what came after it. 204 when all was sent.",
        "tags": ["runs"],
        "parameters": [
            {"in": "path", "name": "id", "required": True, "schema": {"type": "string", "format": "uuid"}},
            {"in": "query", "name": "render", "schema": {"type": "string", "enum": ["html"]}},
            {"in": "header", "name": "Last-Event-ID", "schema": {"type": "string"}},
        ],
        "security": [{"token": []}, {"session": []}],
        "responses": {
            "200": {"description": "", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            "204": {"description": "Everything was sent before."},
        },
    }
}


def with_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Add the stream's door, and the problem document as every call's other answer."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    result["paths"]["/api/runs/{id}/events"] = EVENTS
    problem = {
        "description": "A problem.",
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for path in result["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = problem
    return result
