"""Keeps the agent's memory within a token budget: drops whole old turns first, then old tool results of this turn.

Only memory is trimmed; the transcript stays. A cut goes down to half the budget, so that cuts are rare and a
provider's prompt cache stays valid between them.
"""

from __future__ import annotations

from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately

CUT = "[an older tool result was dropped to save space]"
KEPT_RESULTS = 2


class Window(AgentMiddleware[Any, Any]):
    """Runs before every model call."""

    def __init__(self, *, budget_tokens: int) -> None:
        super().__init__()
        self._budget = budget_tokens

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        changes = trim(state["messages"], budget_tokens=self._budget)
        return {"messages": changes} if changes else None


def shortened(messages: list[AnyMessage], *, budget_tokens: int) -> list[AnyMessage]:
    """Return the messages that are left for a model that takes fewer than the budget of memory allows."""
    changes = trim(messages, budget_tokens=budget_tokens)
    gone = {change.id for change in changes if isinstance(change, RemoveMessage)}
    changed = {change.id: change for change in changes if isinstance(change, ToolMessage)}
    return [changed.get(message.id, message) for message in messages if message.id not in gone]


def trim(messages: list[AnyMessage], *, budget_tokens: int) -> list[Any]:
    """Return the changes (removals, shortened tool results) that bring messages under the budget."""
    if count_tokens_approximately(messages) <= budget_tokens:
        return []
    starts = [i for i, message in enumerate(messages) if isinstance(message, HumanMessage)]
    this_turn = starts[-1] if starts else 0
    cut = next((i for i in starts if count_tokens_approximately(messages[i:]) <= budget_tokens // 2), this_turn)
    changes: list[Any] = [RemoveMessage(id=str(message.id)) for message in messages[:cut]]
    kept = messages[cut:]
    if count_tokens_approximately(kept) > budget_tokens:
        results = [m for m in kept if isinstance(m, ToolMessage) and m.content != CUT]
        changes += [m.model_copy(update={"content": CUT, "artifact": None}) for m in results[:-KEPT_RESULTS]]
    return changes
