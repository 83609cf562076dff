"""Which model answers: the one that is named, the advanced one of a task, the default, a fallback."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest

from aiops.errors import Conflict, Invalid
from aiops.llm import choice, prices
from aiops.llm.values import Models, ModelSpec, Price

PATTERNS = (r"(?i)analy(ze|sis)", "^audit")
BASE = ModelSpec("cloud", "base", advanced="big", patterns=PATTERNS, fallbacks=("small", "gone"))
BIG = ModelSpec("cloud", "big", lacks=frozenset({"temperature"}))
SMALL = ModelSpec("local", "small", handler="ollama")
MODELS = Models((SMALL, BASE, BIG), BASE)


def chosen(text: str = "", **options: Any) -> tuple[str, str]:
    spec = choice.choose(MODELS, options, text=text)
    return spec.name, spec.reason


def test_the_default_answers_what_names_no_model() -> None:
    assert chosen() == ("base", "default")
    assert chosen("what is up?") == ("base", "default")


def test_a_named_model_or_provider_answers() -> None:
    assert chosen(model="small") == ("small", "asked for")
    assert chosen(provider="local") == ("small", "asked for")
    assert chosen(provider="cloud") == ("base", "asked for"), "the default comes first of its provider's"
    assert chosen(model="base", text="an analysis") == ("base", "asked for"), "who names a model gets it"


def test_a_task_goes_to_the_advanced_model_of_the_default() -> None:
    assert chosen("Please ANALYZE this") == ("big", "task pattern")
    assert chosen("audit all") == ("big", "task pattern")
    assert chosen("do audit all") == ("base", "default")


def test_the_advanced_model_can_be_forced() -> None:
    assert chosen(force_advanced=True) == ("big", "force_advanced")
    assert chosen(force_advanced=True, model="base") == ("big", "force_advanced")
    with pytest.raises(Invalid) as refused:
        chosen(force_advanced=True, model="small")
    assert "no advanced model" in str(refused.value.errors["force_advanced"])


def test_a_pattern_that_takes_for_ever_is_given_up() -> None:
    slow = ModelSpec("cloud", "base", advanced="big", patterns=(r"(a|aa)+$",))
    begun = time.monotonic()
    assert choice.choose(Models((slow, BIG), slow), {}, text="a" * 3_000 + "b").name == "base"
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("options", [{"model": "none"}, {"provider": "none"}, {"model": "small", "provider": "cloud"}])
def test_what_is_not_configured_is_refused_with_what_is(options: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        choice.choose(MODELS, options)
    assert "small (local), base (cloud), big (cloud)" in str(refused.value.errors)


def test_an_error_lists_only_some_of_very_many_models() -> None:
    many = Models(tuple(ModelSpec("p", f"m{n}") for n in range(500)), None)
    with pytest.raises(Invalid) as refused:
        choice.choose(many, {"model": "none"})
    assert "and 480 more" in str(refused.value.errors)


def test_without_a_default_only_named_models_answer() -> None:
    none = Models((SMALL,), None, "There is no default model: make one.")
    assert choice.choose(none, {"model": "small"}).name == "small"
    with pytest.raises(Conflict, match="make one"):
        choice.choose(none, {})


def test_a_request_overrides_the_models_temperature_unless_it_takes_none() -> None:
    spec = choice.choose(MODELS, {"temperature": 0.3, "max_tokens": 9})
    assert (spec.temperature, spec.max_tokens) == (0.3, 9)
    with pytest.raises(Invalid) as refused:
        choice.choose(MODELS, {"temperature": 0.3, "model": "big"})
    assert list(refused.value.errors) == ["temperature"]


def test_fallbacks_are_those_that_are_there_in_their_order() -> None:
    assert [(one.name, one.reason) for one in choice.fallbacks(MODELS, BASE)] == [("small", "fallback")]


@pytest.mark.parametrize(
    ("price", "cost"),
    [
        (Price(Decimal("2.5"), Decimal(10)), "0.012500"),
        (Price(Decimal(0), Decimal("0.000001")), "0.000000"),
        (Price(Decimal(1), None), None),
        (Price(), None),
    ],
)
def test_what_a_run_costs_is_exact_or_not_known(price: Price, cost: str | None) -> None:
    assert prices.cost(price, input_tokens=1_000, output_tokens=1_000) == cost
    assert prices.total(["0.1", None, "0.2"]) == "0.3"
    assert prices.total([None]) is None
