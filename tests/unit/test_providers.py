"""Everything about a provider is in its own file; what iterates over providers finds it there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from aiops.events.redaction import KEY_SHAPES
from aiops.llm import environment, providers
from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.providers import HANDLERS, OFFLINE
from config import env, reference

FOLDER = Path(__file__).parents[2] / "aiops/llm/providers"
REMOTE = [name for name in HANDLERS if name != OFFLINE]
URL = "https://models.example"


def of(name: str, **more: str) -> dict[str, str]:
    """Return the variables that name a provider's server, and its key."""
    handler = HANDLERS[name]
    found = {handler.settings[handler.address].name: URL, "LLM_MODEL": "m", **more}
    return found | ({handler.key.name: "k" * 20} if handler.key else {})


def test_every_file_is_a_handler_of_the_files_name() -> None:
    built_in = {name for name, handler in HANDLERS.items() if handler.__module__.startswith("aiops.")}
    assert built_in == {path.stem for path in FOLDER.glob("[a-z]*.py")}


@pytest.mark.parametrize("name", REMOTE)
def test_a_providers_variables_are_read_documented_and_checked(name: str) -> None:
    handler = HANDLERS[name]
    documented = {row[0] for row in reference.rows()}
    assert {one.name for one in handler.variables()} <= documented
    spec = environment.model(env.read(of(name, LLM_TYPE=name)))
    assert (spec.provider, spec.settings[handler.address]) == (name, URL)
    assert handler(spec.settings).url().startswith(URL)
    variable = handler.settings[handler.address].name
    with pytest.raises(env.BadEnvironment, match=f"{variable} must begin with http"):
        env.read({variable: "models.example"})


@pytest.mark.parametrize("name", REMOTE)
def test_a_provider_that_lacks_what_it_needs_is_refused_by_the_variables_name(name: str) -> None:
    handler, settings = HANDLERS[name], env.read({"LLM_TYPE": name, "LLM_MODEL": "m"})
    needed = [handler.settings[field].name for field in handler.required] or ([handler.key.name] if handler.key else [])
    if not needed:
        assert environment.model(settings).provider == name
        return
    with pytest.raises(ValueError, match=needed[0]):
        environment.model(settings)


def test_without_llm_type_the_provider_that_is_guessed_first_answers() -> None:
    every = {name: value for provider in REMOTE for name, value in of(provider).items()}
    first = min(REMOTE, key=lambda name: HANDLERS[name].guessed_at)
    assert environment.model(env.read(every)).provider == first


@pytest.mark.parametrize("shape", KEY_SHAPES)
def test_the_pattern_of_a_providers_key_is_bounded_or_cheap(shape: str) -> None:
    assert re.compile(shape)
    assert ".*" not in shape


@pytest.mark.parametrize(
    ("given", "called"),
    [
        ("https://h", "https://h/v1"),
        ("https://h/", "https://h/v1"),
        ("https://h/v1", "https://h/v1"),
        ("https://h/v1/", "https://h/v1"),
        ("https://h/v1/chat/completions", "https://h/v1"),
        ("https://h/api/v1/chat/completions/", "https://h/api/v1"),
        ("https://h/openai", "https://h/openai"),
    ],
)
def test_an_openai_address_is_taken_as_people_paste_it(given: str, called: str) -> None:
    assert HANDLERS["openai"]({"base_url": given}).url() == called


@pytest.mark.parametrize("given", ["https://h", "https://h/v1", "https://h/v1/messages/"])
def test_an_anthropic_address_is_taken_as_people_paste_it(given: str) -> None:
    assert HANDLERS["anthropic"]({"base_url": given}).target("m", {}) == {"url": "https://h/v1/messages"}


def azure(endpoint: str, **config: str) -> dict[str, str]:
    return HANDLERS["azure_ai"]({"azure_endpoint": endpoint, **config}).target("gpt-4o", {})


def test_an_azure_endpoint_gives_up_its_deployment_and_version() -> None:
    pasted = "https://r.openai.azure.com/openai/deployments/mine/chat/completions?api-version=2025-01-01-preview"
    assert azure(pasted) == {"url": pasted, "deployment": "mine", "api_version": "2025-01-01-preview"}
    assert azure("https://r.openai.azure.com/")["deployment"] == "gpt-4o"
    assert azure("https://r.openai.azure.com/openai", azure_deployment="d")["deployment"] == "d"


@pytest.mark.parametrize(
    ("endpoint", "config", "why"),
    [
        ("https://r.openai.azure.com/openai/assistants", {}, "remove the rest"),
        ("https://r.openai.azure.com/?api-key=x", {}, "remove the rest"),
        ("https://r.openai.azure.com/openai/deployments/a", {"azure_deployment": "b"}, "azure_deployment"),
        ("https://r.openai.azure.com/?api-version=1", {"api_version": "2"}, "api_version"),
    ],
)
def test_what_else_an_azure_endpoint_has_is_refused(endpoint: str, config: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        azure(endpoint, **config)


class Mine(BaseLLMProviderHandler):
    """As a package would write it."""

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = 0.0, **kwargs: Any
    ) -> Any:
        return model_name

    def validate_config(self) -> None:
        if "api_endpoint" not in self.config:
            raise ValueError("Missing required configuration fields: api_endpoint")


def test_a_package_registers_its_provider_under_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "HANDLERS", dict(HANDLERS))
    providers.register_provider("mine", Mine)
    providers.register_provider("mine", Mine)
    assert providers.HANDLERS["mine"] is Mine
    with pytest.raises(ValueError, match="already a provider 'openai'"):
        providers.register_provider("openai", Mine)
    with pytest.raises(ValueError, match="no name of a provider"):
        providers.register_provider("My Provider", Mine)
    with pytest.raises(ValueError, match="must be a class"):
        providers.register_provider("other", Mine({"api_endpoint": "x"}))  # type: ignore[arg-type]


def test_a_handler_validates_its_settings_when_it_is_made() -> None:
    with pytest.raises(ValueError, match="api_endpoint"):
        Mine({})
    assert Mine({"api_endpoint": "x"}).config == {"api_endpoint": "x"}
