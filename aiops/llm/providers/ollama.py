"""Ollama: self-hosted open models. Parameters as of langchain-ollama 1.x (2026-11)."""

from __future__ import annotations

from typing import Any

from aiops.llm.handler import (
    FRACTION,
    STOP,
    TEXT,
    TOKENS,
    URL,
    WHOLE,
    BaseLLMProviderHandler,
    Health,
    Variable,
    given,
    schema,
)

DEFAULT_URL = "http://127.0.0.1:11434"


class OllamaHandler(BaseLLMProviderHandler):
    """A server of one's own; a key is for one behind a proxy that wants it."""

    config_schema = schema(base_url={**URL, "description": f"address of the server; default: {DEFAULT_URL}"})
    model_schema = schema(
        model=TEXT,
        num_ctx={**TOKENS, "description": "tokens of context; Ollama's default of 4,096 cuts without a word"},
        max_tokens=TOKENS,
        top_k=WHOLE,
        top_p=FRACTION,
        repeat_penalty={"type": "number", "minimum": 0},
        seed=WHOLE,
        stop=STOP,
        keep_alive={"type": ["string", "integer"]},
        reasoning={"type": ["boolean", "string"]},
    )
    module = "aiops.llm.wire.ollama"
    key = None
    settings = {"base_url": Variable("OLLAMA_BASE_URL", f"URL of the Ollama server, such as {DEFAULT_URL}")}
    address = "base_url"
    always_streams = True
    guessed_at = 20
    reports_finish = True

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        from aiops.llm.wire.ollama import Chat

        timeout, max_tokens = kwargs.pop("timeout", None), kwargs.pop("max_tokens", None)
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        return Chat(
            model=model_name,
            base_url=self.url(),
            client_kwargs={"timeout": timeout, "headers": headers, "follow_redirects": False},
            **given(temperature=temperature, num_predict=max_tokens),
            **kwargs,
        )

    async def aclose(self, model: Any) -> None:
        await model._async_client._client.aclose()

    def url(self) -> str:
        return str(self.config.get("base_url") or DEFAULT_URL).rstrip("/")

    def health(self, api_key: str) -> Health:
        return Health(f"{self.url()}/api/tags", {"Authorization": f"Bearer {api_key}"} if api_key else {})


HANDLER = OllamaHandler
