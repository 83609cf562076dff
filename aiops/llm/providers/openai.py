"""OpenAI, and every server with an OpenAI-compatible chat API."""

from __future__ import annotations

from typing import Any

from aiops.llm.provider import Provider, Variable, given
from aiops.llm.values import ModelSpec


def build(spec: ModelSpec, *, timeout_s: float) -> Any:
    """Return the chat model, without the client's own retries: middleware retries."""
    from aiops.llm.wire.openai import make

    return make(
        model=spec.name,
        api_key=spec.api_key or "none",  # local servers need no key, but the client does
        timeout=timeout_s,
        max_retries=0,
        stream_usage=True,
        **given(base_url=spec.base_url, temperature=spec.temperature, max_tokens=spec.max_tokens),
    )


PROVIDER = Provider(
    name="openai",
    build=build,
    module="aiops.llm.wire.openai",
    key=Variable("OPENAI_API_KEY", "API key of the openai provider", secret=True),
    url=Variable("OPENAI_BASE_URL", "URL of a server with an OpenAI-compatible API; default: OpenAI"),
    default_url="https://api.openai.com/v1",
    reachability_path="/models",
    key_shapes=(r"sk-[A-Za-z0-9_\-]{20,}",),  # as of 2026-11
    guessed_at=10,
    reports_finish=True,
    out_of_quota="insufficient_quota",
)
