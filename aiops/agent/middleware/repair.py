"""Answers tool calls that were left without a result, so that providers accept the conversation again."""

from __future__ import annotations

from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, AnyMessage, RemoveMessage, ToolMessage
from langgraph.graph.message import REMOVE_ALL_MESSAGES

LOST = "This call was interrupted; whether it took effect is not known."


def repaired(messages: list[AnyMessage]) -> list[AnyMessage] | None:
    """Return the messages with a result after every tool call and no result without one; None when all is well."""
    answered = {m.tool_call_id for m in messages if isinstance(m, ToolMessage)}
    asked: set[str] = set()
    fixed: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage) and message.tool_call_id not in asked:
            continue
        fixed.append(message)
        if isinstance(message, AIMessage):
            calls = {str(call["id"]): call["name"] for call in message.tool_calls}
            asked |= set(calls)
            fixed += [
                ToolMessage(LOST, tool_call_id=id_, name=name, status="error")
                for id_, name in calls.items()
                if id_ not in answered
            ]
    return None if len(fixed) == len(messages) and fixed == messages else fixed


class Repair(AgentMiddleware[Any, Any]):
    """Runs once, before the agent thinks."""

    priority = 5

    async def abefore_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        """Replace the messages when some call dangles."""
        fixed = repaired(state["messages"])
        return None if fixed is None else {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *fixed]}
