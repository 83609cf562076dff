"""The interface of LLM plugins: the smallest way to bring a language model of one's own (see docs/extending.md)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class LLMPlugin(ABC):
    """A class of a file in AIOPS_PLUGIN_DIR, or of an entry point ``aiops.llm_plugins``.

    ``last_used_model``, if it has one, is reported as the model that answered.
    """

    @abstractmethod
    def initialize(self, config: dict[str, Any]) -> None:
        """Take the settings of its provider, with ``model``, ``api_key``, ``temperature`` and ``timeout`` if set."""

    @abstractmethod
    def generate_response(
        self, prompt: str, context: list[dict[str, str]] | None = None, force_advanced: bool = False
    ) -> str:
        """Return the answer; it runs in a thread. An exception is an error of the run, never an answer.

        ``context``: the earlier messages, each {"role": system, user or assistant, "content": text}.
        """

    @abstractmethod
    def get_capabilities(self) -> list[str]:
        """Return what it can do, such as "text_generation"."""
