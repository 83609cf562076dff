"""Chooses the tools that a model is offered, when there are more than a request takes: the most relevant ones."""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain_core.messages import AIMessage, AnyMessage

from aiops.llm import ranking
from aiops.tool_servers.client.values import RemoteTool

MAX_TOOLS = 128
"""OpenAI's limit of one request."""
MAX_BYTES = 512_000
"""Of all tools together in a model request."""
WORD = re.compile(r"[^\W_]+")


def chosen(
    tools: Sequence[RemoteTool], question: str, *, conversation: Sequence[AnyMessage] = ()
) -> tuple[tuple[RemoteTool, ...], tuple[str, ...]]:
    """Return the tools to offer, in their order, and the names of those that are left out.

    Those that the conversation has called come first, then those whose name and description have most in common with
    ``question``; of equally relevant ones, each server's come in turn.
    """
    if len(tools) <= MAX_TOOLS and sum(tool.size for tool in tools) <= MAX_BYTES:
        return tuple(tools), ()
    used = {call["name"] for said in conversation if isinstance(said, AIMessage) for call in said.tool_calls}
    scores = ranking.scores(_words(question), [_words(f"{tool.name} {tool.description}") for tool in tools])
    seen: dict[str, int] = {}
    order: list[tuple[tuple[bool, float, int], RemoteTool]] = []
    for tool, score in zip(tools, scores, strict=True):
        seen[tool.server] = seen.get(tool.server, 0) + 1
        order.append(((tool.name not in used, -score, seen[tool.server]), tool))
    kept: set[str] = set()
    bytes_left = MAX_BYTES
    for _, tool in sorted(order, key=lambda pair: pair[0]):
        if tool.size <= bytes_left and len(kept) < MAX_TOOLS:
            bytes_left -= tool.size
            kept.add(tool.name)
    offered = tuple(tool for tool in tools if tool.name in kept)
    return offered, tuple(tool.name for tool in tools if tool.name not in kept)


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]
