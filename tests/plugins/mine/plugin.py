"""A plugin that chooses between two models, as the guide for plugins shows it."""

from __future__ import annotations

from typing import Any

from aiops.llm.plugin import LLMPlugin


class MineLLMPlugin(LLMPlugin):
    def __init__(self) -> None:
        self.last_used_model = None

    def initialize(self, config: dict[str, Any]) -> None:
        self.model = config.get("model", "mine-basic")

    def generate_response(
        self, prompt: str, context: list[dict[str, str]] | None = None, force_advanced: bool = False
    ) -> str:
        if "fail" in prompt:
            raise RuntimeError("the plugin's own server is down")
        self.last_used_model = "mine-advanced" if force_advanced else self.model
        return f"{self.last_used_model} heard {prompt!r} after {len(context or [])}"

    def get_capabilities(self) -> list[str]:
        return ["text_generation", "code_analysis"]
