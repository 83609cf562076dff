"""Refuses questions that a model must not get, and removes from answers what must not be in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import regex
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, AnyMessage

from aiops.errors import RunFailed
from aiops.events.redaction import MASK

SEARCH_S = 0.5
"""Longest search for one pattern; a question that takes longer is refused."""
MOST_KNOWN = 10_000
"""Earlier messages, by id, of which is remembered whether they are refused."""
NOT_SENT = "[This message was refused.]"
CONTROL = regex.compile(r"[\p{Cc}--[\t\n\r]]", regex.V1)


class ValidationMiddleware(AgentMiddleware[Any, Any]):
    """What is streamed loses the ``remove`` patterns in the event writer, before this sees the whole answer."""

    def __init__(
        self,
        *,
        max_characters: int | None = None,
        deny: Sequence[dict[str, str]] = (),
        remove: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._max_characters = max_characters
        self._refused: dict[str, bool] = {}
        self._deny = [(regex.compile(one["pattern"]), one["reason"]) for one in deny]
        self._remove = regex.compile("|".join(f"(?:{one})" for one in remove)) if remove else None

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Call the model; raises RunFailed ``input_refused`` with the reason."""
        messages = request.messages
        asked = max((n for n, one in enumerate(messages) if one.type == "human"), default=0)
        if messages and (reason := self._refusal(str(messages[asked].text))):
            raise RunFailed(f"The message is refused: {reason}", code="input_refused")
        let_in = [*map(self._let_in, messages[:asked]), *messages[asked:]]
        response = await handler(request.override(messages=let_in))
        response.result = [self._cleaned(one) for one in response.result]
        return response

    def _let_in(self, earlier: AnyMessage) -> AnyMessage:
        """Return an earlier message: one that was refused stays in the conversation, and is never sent."""
        if earlier.type != "human":
            return earlier
        if len(self._refused) >= MOST_KNOWN:
            self._refused.clear()
        key = str(earlier.id)  # looked through once, and not again before each call
        if key not in self._refused:
            self._refused[key] = bool(self._refusal(str(earlier.text)))
        return earlier.model_copy(update={"content": NOT_SENT}) if self._refused[key] else earlier

    def _refusal(self, question: str) -> str:
        if self._max_characters is not None and len(question) > self._max_characters:
            return f"it has {len(question)} characters; the most is {self._max_characters}."
        if CONTROL.search(question):
            return "it has control characters."
        for pattern, reason in self._deny:
            try:
                if pattern.search(question, timeout=SEARCH_S):
                    return str(reason)
            except TimeoutError:
                return "checking it takes too long."
        return ""

    def _cleaned(self, message: AnyMessage) -> AnyMessage:
        if self._remove is None or not isinstance(message, AIMessage) or not isinstance(message.content, str):
            return message
        try:
            text = self._remove.sub(MASK, message.content, timeout=SEARCH_S)
        except TimeoutError:
            text = MASK
        return message if text == message.content else message.model_copy(update={"content": text})
