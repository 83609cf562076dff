"""The built-in model for when no other is configured; it needs no network."""

from __future__ import annotations

from typing import Any

from aiops.llm.handler import BaseLLMProviderHandler, schema


class OfflineHandler(BaseLLMProviderHandler):
    """Answers with the tools alone."""

    config_schema = schema()
    model_schema = schema()
    module = "aiops.llm.offline.model"
    reports_finish = True

    async def get_chat_model(
        self, model_name: str, api_key: str | None = None, temperature: float | None = None, **kwargs: Any
    ) -> Any:
        from aiops.llm.offline.model import OfflineModel

        return OfflineModel()


HANDLER = OfflineHandler
