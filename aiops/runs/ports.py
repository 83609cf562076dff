"""What a run needs from the process it runs in, and the plain values it starts with."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from langgraph.checkpoint.base import BaseCheckpointSaver

from aiops.agent.llm.pacing import Pacer
from aiops.agent.values import Limits
from aiops.conversations.transcript import Utterance
from aiops.conversations.transitions import Claim
from aiops.events.redaction import Redactor
from aiops.settings import Settings
from aiops.tools.pool import ToolPool


@dataclass(frozen=True, slots=True)
class Assignment:
    """One claimed run as plain values."""

    claim: Claim
    conversation_id: str
    message_id: str
    answer_id: str
    text: str
    attempt: int
    worker: str
    deadline_s: int
    options: dict[str, Any]
    steps: tuple[dict[str, Any], ...]
    position: int
    queue: str
    since: float
    """When it was claimed, monotonic seconds."""
    answer_schema: str = ""
    """JSON Schema, as JSON, that the answer must fit; empty when any will do."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What memory lacks of the transcript; ``stale`` memory holds what was rolled back and must go."""

    missing: tuple[Utterance, ...]
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Bench:
    """The process's shared tools of the trade; ``in_thread`` runs database work off the loop.

    ``memory`` returns a saver for one run: some hold a lock around everything they do;
    ``memory_away`` is what it raises when its server cannot be reached.
    """

    settings: Settings
    limits: Limits
    redis: redis.asyncio.Redis
    memory: Callable[[], BaseCheckpointSaver[Any]]
    memory_away: tuple[type[Exception], ...]
    tools: ToolPool
    redactor: Redactor
    pacer: Pacer
    in_thread: Callable[..., Coroutine[Any, Any, Any]]
