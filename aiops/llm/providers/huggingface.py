"""Hugging Face: models of the Hub by its Inference Providers, or a Text Generation Inference server of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops.llm.handler import (
    FRACTION,
    PENALTY,
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

DEFAULT_URL = "https://router.huggingface.co"
CALLED = "/v1/chat/completions"


class HuggingFaceHandler(BaseLLMProviderHandler):
    """The Hub's router unless an address is given; a model's name is the Hub's, such as org/model."""

    config_schema = schema(
        base_url={**URL, "description": "address of an Inference Endpoint or a server of one's own"},
        provider={**TEXT, "description": "Inference Provider of the Hub; default: auto"},
    )
    model_schema = schema(
        model=TEXT,
        max_tokens=TOKENS,
        top_p=FRACTION,
        presence_penalty=PENALTY,
        frequency_penalty=PENALTY,
        seed=WHOLE,
        stop=STOP,
    )
    module = "aiops.llm.wire.huggingface"
    install = "pip install 'aiops[huggingface]'"
    key = Variable("HF_TOKEN", "access token of the huggingface provider", secret=True)
    settings = {"base_url": Variable("HF_INFERENCE_ENDPOINT", "URL of a Hugging Face Inference Endpoint or TGI server")}
    address = "base_url"
    always_streams = True
    key_shapes = (r"hf_[A-Za-z0-9]{30,}",)  # as of 2026-11
    guessed_at = 40
    reports_finish = True

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        try:
            from aiops.llm.wire.huggingface import make
        except ImportError as error:
            raise ImportError(f"langchain-huggingface is not installed: {self.install}") from error
        provider = self.config.get("provider")
        return make(
            f"{model_name}:{provider}" if provider else model_name,  # as the Hub's router reads it
            url=f"{self.url()}/v1",
            api_key=api_key or "none",  # without any, the client would send a token that it finds on the machine
            timeout=kwargs.pop("timeout", None),
            **given(temperature=temperature),
            **kwargs,
        )

    def url(self) -> str:
        url = str(self.config.get("base_url") or DEFAULT_URL).rstrip("/")
        return url.removesuffix("/chat/completions").removesuffix("/v1")

    def health(self, api_key: str) -> Health:
        return Health(f"{self.url()}/v1/models", {"Authorization": f"Bearer {api_key}"} if api_key else {})

    def target(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        return {"url": self.url() + CALLED}


HANDLER = HuggingFaceHandler
