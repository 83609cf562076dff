"""Adds a result to each tool call that has none, because providers refuse a conversation with open calls."""

from __future__ import annotations

from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, ToolMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

LOST = "This call was interrupted; whether it took effect is not known."


def repaired(messages: list[AnyMessage], *, awaited: frozenset[str] = frozenset()) -> list[AnyMessage] | None:
    """Return the messages with a result for every call and no result without a call; None when nothing is wrong.

    ``awaited`` calls have no result yet, because people were asked about their step.
    """
    answered = {m.tool_call_id for m in messages if isinstance(m, ToolMessage)}
    requested: set[str] = set()
    fixed: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage) and message.tool_call_id not in requested:
            continue
        fixed.append(message)
        if isinstance(message, AIMessage):
            calls = {str(call["id"]): call["name"] for call in message.tool_calls}
            requested |= set(calls)
            fixed += [
                ToolMessage(LOST, tool_call_id=id_, name=name, status="error")
                for id_, name in calls.items()
                if id_ not in answered and id_ not in awaited
            ]
    return None if fixed == messages else fixed


class Repair(AgentMiddleware[Any, Any]):
    """Runs once, before the first model call."""

    async def abefore_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        fixed = repaired(state["messages"], awaited=runtime.context.consent.awaited_calls())
        return None if fixed is None else {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *fixed]}
