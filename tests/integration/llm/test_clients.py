"""The chat models of a process: made once, with the key of a secret, and closed when nobody needs them any more."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from aiops.errors import RunFailed
from aiops.llm import clients, providers
from aiops.llm.client import Client
from aiops.llm.clients import Clients
from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.values import ModelSpec
from aiops.secrets.values import SecretSpec
from aiops.settings import Settings
from tests.models import spec_at

KEY = SecretSpec("mine", "env", "AIOPS_SECRET_MINE")


class Recording(BaseLLMProviderHandler):
    """Counts what was made and closed."""

    made: list[dict[str, Any]] = []
    closed: list[Any] = []

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        self.made.append({"name": model_name, "key": api_key, "temperature": temperature, **kwargs})
        return f"model {len(self.made)}"

    async def aclose(self, model: Any) -> None:
        self.closed.append(model)


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> type[Recording]:
    monkeypatch.setitem(providers.HANDLERS, "recording", Recording)
    monkeypatch.setattr(Recording, "made", [])
    monkeypatch.setattr(Recording, "closed", [])
    return Recording


SPEC = ModelSpec("p", "m", handler="recording", temperature=0.5, parameters='{"model": "theirs", "top_p": 0.1}')


async def test_a_model_is_made_once_and_with_what_its_row_says(recording: type[Recording]) -> None:
    made = Clients(Settings())
    async with made.use(SPEC, timeout_s=5) as one, made.use(replace(SPEC, reason="other"), timeout_s=5) as two:
        assert one is two
    assert recording.made == [{"name": "theirs", "key": None, "temperature": 0.5, "top_p": 0.1, "timeout": 5}]
    async with made.use(replace(SPEC, max_tokens=9), timeout_s=5):
        assert recording.made[-1]["max_tokens"] == 9
    await made.close()
    assert sorted(recording.closed) == ["model 1", "model 2"]


async def test_runs_that_begin_at_once_share_one_client(recording: type[Recording]) -> None:
    made = Clients(Settings())

    async def use() -> Client:
        async with made.use(SPEC, timeout_s=5) as client:
            await asyncio.sleep(0)
            return client

    assert len(set(await asyncio.gather(*(use() for _ in range(20))))) == 1


async def test_a_replaced_client_is_closed_when_its_last_run_has_ended(recording: type[Recording]) -> None:
    made = Clients(Settings())
    async with made.use(SPEC, timeout_s=5):
        await made.retire(frozenset())
        assert recording.closed == []
    assert recording.closed == ["model 1"]
    async with made.use(SPEC, timeout_s=5) as again:
        assert again.model == "model 2"
    await made.retire(frozenset({SPEC}))
    assert recording.closed == ["model 1"], "what is configured stays"


async def test_a_client_is_made_again_after_its_time(recording: type[Recording]) -> None:
    now = [0.0]
    made, spec = Clients(Settings(), clock=lambda: now[0]), replace(SPEC, client_ttl_s=60)
    for now[0], model in ((0.0, "model 1"), (59.0, "model 1"), (61.0, "model 2"), (100.0, "model 2")):
        async with made.use(spec, timeout_s=5) as client:
            assert client.model == model
    assert recording.closed == ["model 1"]


async def test_the_key_is_read_when_the_client_is_made(
    recording: type[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, secret=KEY)
    with pytest.raises(RunFailed) as failed:
        await clients.make(spec, Settings(), timeout_s=5)
    assert failed.value.code == "secret_unread"
    assert "'mine'" in failed.value.detail
    assert "AIOPS_SECRET_MINE" in failed.value.detail
    monkeypatch.setenv("AIOPS_SECRET_MINE", "  the-key-of-mine\n")
    await clients.make(spec, Settings(), timeout_s=5)
    assert recording.made[-1]["key"] == "the-key-of-mine", "a line break would be printed in a client's error"


@pytest.mark.parametrize(
    ("spec", "code", "words"),
    [
        (ModelSpec("p", "m", handler="nobody"), "unknown_provider", "nobody"),
        (ModelSpec("anthropic", "m"), "bad_model", "needs a key"),
        (ModelSpec("azure_ai", "m", config='{"azure_endpoint": "https://x/y"}', api_key="k"), "bad_model", "remove"),
    ],
)
async def test_a_model_that_cannot_be_used_fails_by_name(spec: ModelSpec, code: str, words: str) -> None:
    with pytest.raises(RunFailed, match=words) as failed:
        await clients.make(spec, Settings(), timeout_s=5)
    assert failed.value.code == code
    assert code == "unknown_provider" or "'m'" in failed.value.detail


@pytest.mark.parametrize(("provider", "module"), [("anthropic", "anthropic"), ("huggingface", "huggingface")])
async def test_a_package_that_is_not_installed_is_named_with_its_command(
    provider: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, f"aiops.llm.wire.{module}", None)
    with pytest.raises(RunFailed, match=f"pip install 'aiops\\[{provider}\\]'") as failed:
        await clients.make(spec_at(provider, key="k"), Settings(), timeout_s=5)
    assert failed.value.code == "provider_missing"


async def test_a_name_that_leads_into_a_private_network_is_refused_when_the_client_is_made(
    recording: type[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Addressed(Recording):
        address = "base_url"

    monkeypatch.setitem(providers.HANDLERS, "addressed", Addressed)
    spec = ModelSpec("p", "m", handler="addressed", config='{"base_url": "https://localhost/v1"}', from_row=True)
    with pytest.raises(RunFailed, match="AIOPS_LLM_NETWORKS") as failed:
        await clients.make(spec, Settings(llm_networks=""), timeout_s=5)
    assert failed.value.code == "bad_model"
    await clients.make(spec, Settings(), timeout_s=5)
    await clients.make(replace(spec, config='{"base_url": "https://no-such-host.invalid"}'), Settings(), timeout_s=5)
    await clients.make(replace(spec, from_row=False), Settings(llm_networks=""), timeout_s=5)


async def test_a_row_that_would_switch_on_tools_of_the_provider_is_not_used(recording: type[Recording]) -> None:
    switching = replace(SPEC, parameters='{"extra_body": {"tools": [{"type": "web_search"}]}}')
    with pytest.raises(RunFailed, match="not under approval") as caught:
        await clients.make(switching, Settings(), timeout_s=5)
    assert (caught.value.code, recording.made) == ("bad_model", [])
