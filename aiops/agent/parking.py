"""How a run ends its turn at a worker because people must decide: it holds its questions, and another turn goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, message_to_dict, messages_from_dict
from langgraph.errors import GraphBubbleUp

from aiops.approvals.values import Question

RESULTS = "results"
"""Key, in a stored step, of the results of those calls that were refused before anybody was asked."""


class Parked(GraphBubbleUp):
    """People must decide before this run goes on. LangGraph stores nothing of it, and every middleware lets it pass."""

    def __init__(
        self, message: dict[str, Any], asked: Sequence[Question], *, reason: str, used: Mapping[str, int]
    ) -> None:
        super().__init__("this run waits for a decision")
        self.message = message
        """The step whose calls are asked about, as ``stored`` returns it."""
        self.asked = tuple(asked)
        self.reason = reason
        """What the model said beside its calls."""
        self.used = used
        """Tokens of the call of the model: input_tokens and output_tokens."""


def stored(said: AIMessage, results: Sequence[AnyMessage]) -> dict[str, Any]:
    """Return an assistant message and results as JSON; its tokens are counted when it is said, and not again."""
    message = message_to_dict(said.model_copy(update={"usage_metadata": None}))
    return {**message, RESULTS: [message_to_dict(one) for one in results]}


def restored(step: dict[str, Any]) -> list[AnyMessage]:
    """Return what ``stored`` was given."""
    first = {"type": step["type"], "data": step["data"]}
    messages: Any = messages_from_dict([first, *step[RESULTS]])
    return list(messages)
