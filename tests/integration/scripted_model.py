"""A chat model that streams what it is given, one turn for each call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

Turn = list[AIMessageChunk | Exception]


class ScriptedModel(BaseChatModel):
    """Streams the chunks of its next turn and ends it in order; raises what is no chunk."""

    turns: list[Any]

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Any, **_: Any) -> ScriptedModel:
        return self

    def _generate(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self.turns.pop(0):
            if isinstance(chunk, Exception):
                raise chunk
            yield ChatGenerationChunk(message=chunk)
        yield ChatGenerationChunk(message=AIMessageChunk("", response_metadata={"finish_reason": "stop"}))


def words(*texts: str) -> Turn:
    """Return a turn that says these texts, one chunk each."""
    return [AIMessageChunk(text) for text in texts]


def calling(name: str, arguments: str, *, call_id: str = "c1") -> Turn:
    """Return a turn that calls a tool."""
    return [AIMessageChunk("", tool_call_chunks=[tool_call_chunk(name=name, args=arguments, id=call_id, index=0)])]
