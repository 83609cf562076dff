"""Anthropic: Claude models. Parameters as of langchain-anthropic 1.x (2026-11)."""

from __future__ import annotations

from collections.abc import Mapping
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

DEFAULT_URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
"""Of the API, in a header."""
CALLED = "/v1/messages"
MAX_TEMPERATURE = 1.0


class AnthropicHandler(BaseLLMProviderHandler):
    """Anthropic's own API, or a gateway that speaks it."""

    config_schema = schema(base_url={**URL, "description": f"address of a gateway; default: {DEFAULT_URL}"})
    model_schema = schema(
        model=TEXT,
        max_tokens=TOKENS,
        top_k=WHOLE,
        top_p=FRACTION,
        stop=STOP,
        thinking={"type": "object", "description": 'such as {"type": "enabled", "budget_tokens": 2000}'},
        effort={"enum": ["low", "medium", "high", "xhigh", "max"]},
    )
    module = "aiops.llm.wire.anthropic"
    install = "pip install 'aiops[anthropic]'"
    key = Variable("ANTHROPIC_API_KEY", "API key of the anthropic provider", secret=True)
    needs_key = True
    settings = {"base_url": Variable("ANTHROPIC_BASE_URL", "URL of a gateway with Anthropic's API; default: Anthropic")}
    address = "base_url"
    always_streams = True
    key_shapes = (r"sk-ant-[A-Za-z0-9_\-]{20,}",)  # as of 2026-11
    guessed_at = 30
    reports_finish = True
    one_call = {"parallel_tool_calls": False}
    can_echo = True
    own_tools = {"web_search": (), "web_fetch": (), "code_execution": ("container",), "mcp_toolset": ()}

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        try:
            from aiops.llm.wire.anthropic import make
        except ImportError as error:
            raise ImportError(f"langchain-anthropic is not installed: {self.install}") from error
        stop = kwargs.pop("stop", None)
        return make(
            model=model_name,
            base_url=self.url(),
            api_key=api_key or "none",
            max_retries=0,
            **given(temperature=temperature, stop_sequences=stop),
            **kwargs,
        )

    async def aclose(self, model: Any) -> None:
        await model._async_client.close()

    def url(self) -> str:
        return str(self.config.get("base_url") or DEFAULT_URL).rstrip("/").removesuffix("/messages").removesuffix("/v1")

    def health(self, api_key: str) -> Health:
        return Health(f"{self.url()}/v1/models?limit=1", {"x-api-key": api_key or "none", "anthropic-version": VERSION})

    def target(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        return {"url": self.url() + CALLED}

    def echoes_reasoning(self, parameters: Mapping[str, Any]) -> bool:
        return parameters.get("thinking", {}).get("type") not in (None, "disabled")

    def refused(self, model_name: str, parameters: Mapping[str, Any]) -> dict[str, str]:
        if not self.echoes_reasoning(parameters):
            return {}
        return dict.fromkeys(("temperature", "top_k"), "A model that thinks refuses it: leave it empty.")


HANDLER = AnthropicHandler
