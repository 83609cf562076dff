"""A chat model with the handler that made it, as ``clients`` keeps it for a process."""

from __future__ import annotations

import asyncio
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
    chained_at: float = 0.0
    building: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the chain is built."""
    helpers: list[Client] = field(default_factory=list)
    """The clients of models that its middleware calls; they are closed with it."""
