"""Tools that providers run themselves: listed as off, and no parameter of a model switches them on."""

from __future__ import annotations

from typing import Any

import pytest

from aiops.llm import own_tools
from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.providers import HANDLERS

SEARCH: list[dict[str, Any]] = [{"type": "web_search"}]


class Open(BaseLLMProviderHandler):
    """A package's handler, whose models' parameters may be any object."""

    own_tools = {"browse": ("browsing",)}


def problems(name: str, **parameters: Any) -> list[str]:
    return own_tools.problems(parameters, HANDLERS[name])


def test_the_tools_of_providers_are_listed_as_off_and_not_under_approval() -> None:
    rows = own_tools.listed()
    assert {(row.provider, row.tool) for row in rows} >= {
        ("openai", "web_search"),
        ("openai", "code_interpreter"),
        ("azure_ai", "data_sources"),
        ("anthropic", "code_execution"),
    }
    assert {(row.status, row.note) for row in rows} == {("off", "not under approval")}


@pytest.mark.parametrize("handler", [*HANDLERS.values(), Open])
@pytest.mark.parametrize("name", sorted(own_tools.SWITCHES))
@pytest.mark.parametrize("place", ["", *own_tools.PASSED_ON])
def test_no_provider_takes_tools_as_a_parameter(handler: type[BaseLLMProviderHandler], name: str, place: str) -> None:
    parameters = {place: {name: SEARCH}} if place else {name: SEARCH}
    (problem,) = own_tools.problems(parameters, handler)
    assert problem.startswith(f"{name}: ")
    assert "leave it out" in problem


@pytest.mark.parametrize(
    ("handler", "name"),
    [(handler, name) for handler in HANDLERS.values() for names in handler.own_tools.values() for name in names],
)
def test_every_field_that_a_provider_declares_is_refused_in_any_case(
    handler: type[BaseLLMProviderHandler], name: str
) -> None:
    assert name == name.casefold(), "names are compared in small letters"
    for written in (name, name.upper()):
        assert own_tools.problems({"extra_body": {written: {}}}, handler) != []


def test_a_packages_provider_declares_fields_of_its_own() -> None:
    assert own_tools.problems({"browsing": True}, Open) != []
    assert problems("openai", browsing=True) == []


def test_other_parameters_pass_even_where_a_tool_is_part_of_a_schema() -> None:
    schema = {"properties": {"tools": {"type": "array"}}}
    body = {"guided_json": schema, "chat_template_kwargs": {"enable_thinking": False}, "top_k": 5}
    assert problems("openai", extra_body=body, top_p=0.5, reasoning_effort="low") == []
    assert problems("anthropic", thinking={"type": "enabled", "budget_tokens": 2000}) == []
    assert problems("openai", extra_body="none", model_kwargs=None) == []
