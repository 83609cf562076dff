"""Schemas of tools that others wrote: each becomes one that any model can be given, or is refused with its reason."""

from __future__ import annotations

from typing import Any

import pytest

from aiops.tool_servers.client import parameters
from aiops.tool_servers.client.parameters import UnusableTool


def with_property(schema: Any, **rest: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"at": schema}, **rest}


def test_references_are_inlined_and_definitions_left_out() -> None:
    schema = with_property(
        {"$ref": "#/$defs/a~1b/properties/deep%20er", "description": "Where."},
        **{"$defs": {"a/b": {"properties": {"deep er": {"$ref": "#/$defs/place"}}}, "place": {"type": "string"}}},
    )
    assert parameters.inlined(schema) == with_property({"type": "string", "description": "Where."})


def test_a_schema_that_contains_itself_is_cut_where_it_would_repeat() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}
    schema = with_property({"$ref": "#/$defs/node"}, **{"$defs": {"node": node}})
    cut = {"type": "object", "properties": {"next": {}}}
    assert parameters.inlined(schema) == with_property(cut)
    assert parameters.inlined(with_property({"$ref": "#"}))["properties"]["at"]["type"] == "object"


def test_a_schema_without_a_type_is_one_of_an_object() -> None:
    assert parameters.inlined({}) == {"type": "object", "properties": {}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = with_property(schema)
    return schema


def multiplying() -> dict[str, Any]:
    """Ten definitions, each of the next one a hundred times: a few bytes that would become 100**10 times as many."""
    defs: dict[str, Any] = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 100} for n in range(10)}
    return with_property({"$ref": "#/$defs/d0"}, **{"$defs": {**defs, "d10": {"type": "string"}}})


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (with_property({"$ref": "https://geojson.org/schema/Point.json"}), "refers to 'https://geojson.org"),
        (with_property({"$ref": "#place"}, **{"$defs": {"p": {"$anchor": "place"}}}), "refers to '#place'"),
        (with_property({"$ref": "#/$defs/missing"}), "'#/\\$defs/missing', which does not exist"),
        (with_property({"$ref": "#/type"}), "which is not a schema"),
        (with_property({"$dynamicRef": "#node"}), "uses \\$dynamicRef"),
        (nested(300), "nested more than"),
        (nested(30_000), "nested more than"),
        (multiplying(), "more than 64,000 bytes"),
        (with_property({"description": "x" * 5_000_000}), "more than 64,000 bytes"),
        (with_property({"enum": list(range(1_000_000))}), "more than 64,000 bytes"),
        (with_property({"type": "no such type"}), "not valid JSON Schema"),
        ({"type": "string"}, "type is not object"),
        ([], "not an object"),
        (None, "not an object"),
    ],
)
def test_a_tool_whose_parameters_no_model_takes_is_refused_with_its_reason(schema: Any, why: str) -> None:
    with pytest.raises(UnusableTool, match=why):
        parameters.inlined(schema)
