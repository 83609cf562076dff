"""A chat model with the handler that made it, as ``clients`` keeps it for a process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel

from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.values import ModelSpec


@dataclass(slots=True, eq=False)
class Client:
    """A chat model with its handler, and how many runs use it."""

    spec: ModelSpec
    model: BaseChatModel
    handler: BaseLLMProviderHandler
    made_at: float = field(default_factory=time.monotonic)
    users: int = 0
    retired: bool = False
    chain: Any = None
    """What ``agent.chain_rows`` built for this client; None before."""
