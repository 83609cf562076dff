"""The OpenAPI document is one that client generators can work from."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def with_default(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema that has a default, with its place."""
    if isinstance(value, dict):
        if "default" in value and ("type" in value or "$ref" in value or "oneOf" in value or "allOf" in value):
            yield place, value
        for name, inner in value.items():
            yield from with_default(inner, f"{place}/{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from with_default(inner, f"{place}/{number}")


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert [name for name in names if name[-1].isdigit()] == []


def test_every_default_is_a_value_that_is_taken(document: dict[str, Any]) -> None:
    """A generated client sends defaults."""
    seen = 0
    for place, schema in with_default(document):
        whole = {**schema, "components": document["components"]}
        assert jsonschema_rs.is_valid(whole, schema["default"]), place
        seen += 1
    assert seen >= 9


def test_every_body_that_refuses_unknown_fields_says_so(document: dict[str, Any]) -> None:
    """Also those whose fields are inherited."""
    bodies = {name: schema for name, schema in document["components"]["schemas"].items() if name.endswith("InRequest")}
    assert {"BatchInRequest", "ChatInRequest", "ScheduleInRequest", "ToolServerInRequest"} <= set(bodies)
    assert [name for name, schema in bodies.items() if schema.get("additionalProperties") is not False] == []


def test_event_streams_are_texts(document: dict[str, Any]) -> None:
    streams = [
        body["schema"]["type"]
        for _, operation in operations(document)
        for answer in operation["responses"].values()
        for kind, body in answer.get("content", {}).items()
        if kind == "text/event-stream"
    ]
    assert streams
    assert set(streams) == {"string"}


def test_the_document_is_made_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    with warnings.catch_warnings():
        SchemaGenerator().get_schema(request=None, public=True)
    assert not GENERATOR_STATS, GENERATOR_STATS._warn_cache
