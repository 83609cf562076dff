"""A provider whose models say what they were made with."""

from __future__ import annotations

from typing import Any

from aiops.llm.providers import BaseLLMProviderHandler


class MineHandler(BaseLLMProviderHandler):
    reports_finish = True

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = 0.0, **kwargs: Any
    ) -> Any:
        from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
        from langchain_core.messages import AIMessage

        said = f"{model_name} at {self.config['api_endpoint']} with {temperature} and key {bool(api_key)}"

        class Model(GenericFakeChatModel):
            def bind_tools(self, *_: Any, **__: Any) -> Any:
                return self

        made = Model(messages=iter(lambda: AIMessage(said, response_metadata={"finish_reason": "stop"}), None))
        made.disable_streaming = True
        return made

    def validate_config(self) -> None:
        if "api_endpoint" not in self.config:
            raise ValueError("Missing required configuration fields: api_endpoint")
