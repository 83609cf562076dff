"""What memory has of a conversation, and what a run's row knows besides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage
from langgraph.checkpoint.base import CheckpointTuple

from aiops.agent.middleware.steps import earlier_result
from aiops.runs.work.steps import earlier


def known(remembered: CheckpointTuple | None) -> list[AnyMessage]:
    """Return the conversation's messages as memory knows them."""
    found: list[AnyMessage] = remembered.checkpoint["channel_values"].get("messages", []) if remembered else []
    return found


def missing_calls(steps: Iterable[dict[str, Any]], remembered: list[AnyMessage]) -> list[AnyMessage]:
    """Return calls with side effects that were made, as the row knows, and that memory has lost."""
    there = {call["id"] for message in remembered if isinstance(message, AIMessage) for call in message.tool_calls}
    made = [step for step in steps if not step["safe"] and step["call_id"] not in there]
    if not made:
        return []
    calls = [{"id": step["call_id"], "name": step["name"], "args": step["arguments"]} for step in made]
    results = [earlier_result(earlier(step), step["call_id"], step["name"]) for step in made]
    return [AIMessage("", tool_calls=calls), *results]
