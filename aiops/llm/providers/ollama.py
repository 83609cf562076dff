"""Ollama: self-hosted open models."""

from __future__ import annotations

from typing import Any

from aiops.llm.provider import Provider, Variable, given
from aiops.llm.values import ModelSpec


def build(spec: ModelSpec, *, timeout_s: float) -> Any:
    from aiops.llm.wire.ollama import Chat

    return Chat(
        model=spec.name,
        client_kwargs={"timeout": timeout_s},
        **given(base_url=spec.base_url, temperature=spec.temperature, num_predict=spec.max_tokens),
    )


PROVIDER = Provider(
    name="ollama",
    build=build,
    module="aiops.llm.wire.ollama",
    url=Variable("OLLAMA_BASE_URL", "URL of the Ollama server, such as http://127.0.0.1:11434"),
    default_url="http://127.0.0.1:11434",
    reachability_path="/api/tags",
    guessed_at=20,
    reports_finish=True,
)
