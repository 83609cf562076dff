"""Ollama: open models on one's own machines."""

from __future__ import annotations

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_ollama import ChatOllama

from aiops.agent.llm.handlers import given
from aiops.agent.values import ModelSpec


def build(spec: ModelSpec, *, timeout_s: float) -> BaseChatModel:
    """Return the chat model."""
    return ChatOllama(
        model=spec.name,
        client_kwargs={"timeout": timeout_s},
        **given(base_url=spec.base_url, temperature=spec.temperature, num_predict=spec.max_tokens),
    )
