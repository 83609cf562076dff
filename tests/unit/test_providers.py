"""Everything about a provider is in its own file; what iterates over providers finds it there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiops.errors import Conflict
from aiops.events.redaction import KEY_SHAPES
from aiops.llm import choice
from aiops.llm.provider import Provider
from aiops.llm.providers import OFFLINE, PROVIDERS
from config import env, reference

FOLDER = Path(__file__).parents[2] / "aiops/llm/providers"
REMOTE = [provider for provider in PROVIDERS.values() if provider.name != OFFLINE]


def test_every_file_is_a_provider_of_the_files_name() -> None:
    assert sorted(PROVIDERS) == sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


@pytest.mark.parametrize("provider", REMOTE, ids=lambda one: one.name)
def test_a_providers_variables_are_read_documented_and_checked(provider: Provider) -> None:
    documented = {name for name, _, _ in reference.rows()}
    assert {one.name for one in provider.variables} <= documented
    assert provider.url is not None
    settings = env.read({provider.url.name: "https://models.example", "LLM_MODEL": "m"})
    assert settings.of_provider(provider.url.name) == "https://models.example"
    spec = choice.configured(settings)[0]
    assert (spec.provider, spec.base_url) == (provider.name, "https://models.example")
    with pytest.raises(env.BadEnvironment, match=f"{provider.url.name} must begin with http"):
        env.read({provider.url.name: "models.example"})


@pytest.mark.parametrize("provider", REMOTE, ids=lambda one: one.name)
def test_a_provider_that_lacks_what_it_needs_is_refused_by_the_variables_name(provider: Provider) -> None:
    settings = env.read({"LLM_TYPE": provider.name, "LLM_MODEL": "m"})
    if provider.key is None:
        assert choice.configured(settings)[0].provider == provider.name
        return
    with pytest.raises(Conflict, match=provider.key.name):
        choice.configured(settings)


def test_without_llm_type_the_provider_that_is_guessed_first_answers() -> None:
    every = {one.name: "https://models.example" for provider in REMOTE for one in provider.variables if not one.secret}
    first = min(REMOTE, key=lambda provider: provider.guessed_at)
    assert choice.configured(env.read({**every, "LLM_MODEL": "m"}))[0].provider == first.name


@pytest.mark.parametrize("shape", KEY_SHAPES)
def test_the_pattern_of_a_providers_key_is_bounded_or_cheap(shape: str) -> None:
    assert re.compile(shape)
    assert ".*" not in shape
