"""What a run gets: the clients and limits of its process, and its own row as plain values."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from langgraph.checkpoint.base import BaseCheckpointSaver

from aiops.agent.values import Limits
from aiops.approvals.values import NO_ROWS, Policies, Step
from aiops.conversations.transcript import PastMessage
from aiops.events.redaction import Redactor
from aiops.llm.clients import Clients
from aiops.llm.pacing import Pacer
from aiops.llm.values import Models
from aiops.runs.options import RunOptions
from aiops.runs.sources import Source
from aiops.runs.transitions import Claim
from aiops.settings import Settings
from aiops.tool_servers.client.pool import ToolPool


@dataclass(frozen=True, slots=True)
class Assignment:
    """One claimed run as plain values."""

    claim: Claim
    conversation_id: str
    message_id: str
    answer_id: str
    text: str
    attachments: tuple[dict[str, Any], ...]
    """What was sent with the message: {id, name, bytes} of each."""
    attempt: int
    worker: str
    options: RunOptions
    steps: tuple[dict[str, Any], ...]
    position: int
    queue: str
    since: float
    """When it was claimed (monotonic seconds)."""
    user_id: str
    user_name: str
    models: Models
    """The models that were configured when it was claimed; the run knows no others until its end."""
    answer_schema: str = ""
    """JSON Schema, as JSON, that the answer must match; empty when there is none."""
    source: Source = Source.CHAT
    policies: Policies = NO_ROWS
    """Those that held when it was claimed."""
    step: Step | None = None
    """The last step that people were asked about; None when they were not."""
    notices: tuple[dict[str, str], ...] = ()
    """Of its turns before people were asked."""
    usage: dict[str, Any] | None = None
    """Of those turns."""
    partial: str = ""
    """What was said until people were asked."""


@dataclass(frozen=True, slots=True)
class MemoryGap:
    """What memory lacks of the transcript. ``stale``: memory holds rolled-back messages and must be replaced."""

    missing: tuple[PastMessage, ...]
    stale: bool = False
    forgotten: bool = False
    """Whether memory of earlier runs is gone; false for a batch item that came with its messages."""


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all runs of a process share; ``in_thread`` runs database work off the loop.

    ``memory`` returns a saver for one run, since some savers hold a lock during each call; ``memory_away`` are the
    exceptions it raises when its server is unreachable.
    """

    settings: Settings
    limits: Limits
    redis: redis.asyncio.Redis
    memory: Callable[[], BaseCheckpointSaver[Any]]
    memory_away: tuple[type[Exception], ...]
    tools: ToolPool
    redactor: Redactor
    clients: Clients
    pacer: Pacer
    in_thread: Callable[..., Coroutine[Any, Any, Any]]
