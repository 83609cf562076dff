"""What middleware of a model's rows may need of its process besides its config; a class with ``surround`` gets it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel

from aiops.llm.values import ModelSpec


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The model whose chain it is in, the process's Redis, and who makes a chat model that middleware calls itself."""

    spec: ModelSpec
    redis: Any
    helper: Callable[[ModelSpec], Awaitable[BaseChatModel]]
    patience_s: float = 30.0
    """Longest time of a call of such a model."""
