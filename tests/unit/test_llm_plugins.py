"""LLM plugins: found in a folder and in packages, chosen in any letter case, broken ones listed and harmless."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from aiops.errors import RunFailed
from aiops.llm import choice, clients, environment, plugins, providers
from aiops.llm.values import Models
from config import env
from tests.plugins.mine import plugin

GOOD = Path(plugin.__file__)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(plugins, "FOUND", [])
    before = dict(providers.HANDLERS)
    shutil.copy(GOOD, tmp_path / "mine.py")
    yield tmp_path
    providers.HANDLERS.clear()
    providers.HANDLERS.update(before)


def test_a_plugin_is_found_with_its_capabilities_and_broken_ones_with_their_traceback(folder: Path) -> None:
    (folder / "broken.py").write_text("import no_such_module\n")
    (folder / "empty.py").write_text("x = 1\n")
    (folder / "taken.py").write_text(GOOD.read_text().replace("MineLLMPlugin", "OpenAI"))
    (folder / "sick.py").write_text(
        GOOD.read_text().replace("MineLLMPlugin", "Sick").replace("return [", "return 1 / [")
    )
    (folder / "_helper.py").write_text("raise RuntimeError\n")
    plugins.load(str(folder))
    found = {one.name: one for one in plugins.FOUND}
    assert found["MineLLMPlugin"].capabilities == ("text_generation", "code_analysis")
    assert "No module named 'no_such_module'" in found["broken"].problem
    assert "no class that derives from LLMPlugin" in found["empty"].problem
    assert "already a provider 'openai'" in found["OpenAI"].problem
    assert "TypeError" in found["Sick"].problem
    assert "_helper" not in found
    assert providers.HANDLERS["openai"].__module__ == "aiops.llm.providers.openai"


@pytest.mark.parametrize("written", ["MineLLMPlugin", "minellmplugin", "MINELLMPLUGIN"])
def test_llm_type_chooses_a_plugin_in_any_letter_case(folder: Path, written: str) -> None:
    plugins.load(str(folder))
    settings = env.read({"LLM_TYPE": written})
    spec = environment.model(settings)
    assert (spec.provider, spec.lacks) == ("minellmplugin", {"tools", "streaming"})
    client = asyncio.run(clients.make(spec, settings, timeout_s=5))
    asked = [SystemMessage("s"), HumanMessage("a"), AIMessage("b"), HumanMessage("c")]
    answer = client.model.invoke(asked)
    assert answer.text == "mine-basic heard 'c' after 3"
    assert answer.response_metadata["answered_by"] == "mine-basic"


def test_a_plugins_exception_is_an_error_and_its_own_model_is_named(folder: Path) -> None:
    plugins.load(str(folder))
    settings = env.read({"LLM_TYPE": "MineLLMPlugin", "LLM_MODEL": "named"})
    spec = environment.model(settings)
    forced = choice.choose(Models((spec,), spec), {"force_advanced": True})
    assert (forced.name, forced.reason) == ("named", "force_advanced")
    client = asyncio.run(clients.make(forced, settings, timeout_s=5))
    assert client.model.invoke("x").response_metadata["answered_by"] == "mine-advanced"
    with pytest.raises(RuntimeError, match="own server is down"):
        client.model.invoke("fail")


def test_a_plugin_that_cannot_be_initialised_fails_the_run_by_name(folder: Path) -> None:
    text = GOOD.read_text().replace(
        'self.model = config.get("model", "mine-basic")', 'raise ValueError("API key is required")'
    )
    (folder / "mine.py").write_text(text)
    plugins.load(str(folder))
    settings = env.read({"LLM_TYPE": "MineLLMPlugin"})
    with pytest.raises(RunFailed, match="API key is required") as failed:
        asyncio.run(clients.make(environment.model(settings), settings, timeout_s=5))
    assert failed.value.code == "bad_model"
