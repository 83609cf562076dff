"""A middleware that adds a word to every answer."""

from __future__ import annotations

from typing import Any

from langchain.agents.middleware import AgentMiddleware


class WordMiddleware(AgentMiddleware):
    def __init__(self, *, word: str = "so") -> None:
        super().__init__()
        self.word = word

    async def awrap_model_call(self, request: Any, handler: Any) -> Any:
        await request.runtime.context.notice("word", self.word)
        return await handler(request)
