"""OpenAI, and every server that speaks its chat API."""

from __future__ import annotations

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_openai import ChatOpenAI

from aiops.agent.llm.handlers import given
from aiops.agent.values import ModelSpec


def build(spec: ModelSpec, *, timeout_s: float) -> BaseChatModel:
    """Return the chat model; our own middleware retries, so the client does not."""
    return ChatOpenAI(
        model=spec.name,
        api_key=spec.api_key or "none",  # type: ignore[arg-type]  # local servers want no key, the client wants a text
        timeout=timeout_s,
        max_retries=0,
        stream_usage=True,
        **given(base_url=spec.base_url, temperature=spec.temperature, max_tokens=spec.max_tokens),
    )
