"""OpenAI, and every server with an OpenAI-compatible chat API. Parameters as of langchain-openai 1.x (2026-11)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

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

DEFAULT_URL = "https://api.openai.com/v1"
CALLED = "/chat/completions"
"""What the client adds to the address; people paste it along."""
SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")
REASONING = re.compile(r"^(o\d|gpt-5)(?!.*-chat)")
"""Models that refuse or ignore how answers are sampled (as of 2026-11)."""
PARAMETERS: dict[str, Any] = {
    "model": TEXT,
    "max_tokens": TOKENS,
    "top_p": FRACTION,
    "presence_penalty": PENALTY,
    "frequency_penalty": PENALTY,
    "seed": WHOLE,
    "stop": STOP,
    "reasoning_effort": {"enum": ["none", "minimal", "low", "medium", "high", "xhigh"]},
    "service_tier": TEXT,
    "extra_body": {"type": "object", "description": "what a compatible server wants beyond OpenAI's API"},
}

OWN_TOOLS: dict[str, tuple[str, ...]] = {
    "web_search": ("web_search_options",),
    "file_search": (),
    "code_interpreter": (),
    "image_generation": (),
    "mcp": (),
}
"""OpenAI's, as of langchain-openai 1.x (2026-11); all but the first take the Responses API, which is not used."""
OF_COMPATIBLE = ("plugins", "search_parameters", "enable_search", "search_options", "web_search")
"""Fields by which compatible servers (OpenRouter, xAI, Alibaba and others) search the web (2026-11)."""


class OpenAIHandler(BaseLLMProviderHandler):
    """OpenAI itself unless an address is given; servers of one's own need no key."""

    config_schema = schema(
        base_url={**URL, "description": "address of a compatible server, with or without /v1; default: OpenAI's"},
        organization=TEXT,
    )
    model_schema = schema(**PARAMETERS)
    module = "aiops.llm.wire.openai"
    key = Variable("OPENAI_API_KEY", "API key of the openai provider", secret=True)
    settings = {
        "base_url": Variable("OPENAI_BASE_URL", "URL of a server with an OpenAI-compatible API; default: OpenAI")
    }
    address = "base_url"
    key_shapes = (r"sk-[A-Za-z0-9_\-]{20,}",)  # as of 2026-11
    guessed_at = 10
    reports_finish = True
    one_call = {"parallel_tool_calls": False}
    can_echo = True
    own_tools = {**OWN_TOOLS, "web_search": (*OWN_TOOLS["web_search"], *OF_COMPATIBLE)}
    out_of_quota = "insufficient_quota"

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        from aiops.llm.wire.openai import make

        return make(
            model=model_name,
            base_url=self.url(),
            api_key=api_key or "none",  # servers of one's own need no key, but the client does
            max_retries=0,
            stream_usage=True,
            **given(temperature=temperature, organization=self.config.get("organization")),
            **kwargs,
        )

    async def aclose(self, model: Any) -> None:
        await model.root_async_client.close()

    def url(self) -> str:
        url = str(self.config.get("base_url") or DEFAULT_URL).rstrip("/").removesuffix(CALLED)
        return url if urlsplit(url).path else f"{url}/v1"

    def health(self, api_key: str) -> Health:
        return Health(f"{self.url()}/models", {"Authorization": f"Bearer {api_key}"} if api_key else {})

    def target(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        return {"url": self.url() + CALLED}

    def refused(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        return refused(model_name)


def refused(model_name: str) -> dict[str, str]:
    """Return the parameters that a model of OpenAI refuses or ignores."""
    if not REASONING.match(model_name):
        return {}
    return dict.fromkeys(SAMPLING, f"{model_name} refuses or ignores it: leave it empty.")


HANDLER = OpenAIHandler
