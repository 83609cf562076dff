"""ChatOllama, with all that the server sends: thinking, arguments as they are, how the answer ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_ollama import ChatOllama
from langchain_ollama.chat_models import _get_usage_metadata_from_generation_info as usage


class Chat(ChatOllama):
    """A chat model whose chunks have everything that the server said."""

    async def _aiterate_over_stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for part in self._acreate_chat_stream(messages, stop, **kwargs):
            if not isinstance(part, str):
                yield _chunk(part)


def _chunk(part: Mapping[str, Any]) -> ChatGenerationChunk:
    message = part.get("message") or {}
    calls = [
        tool_call_chunk(
            name=call["function"]["name"], args=json.dumps(call["function"]["arguments"]), id=None, index=number
        )
        for number, call in enumerate(message.get("tool_calls") or [])
    ]
    thinking = message.get("thinking")
    ended = part.get("done") is True
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=message.get("content") or "",
            additional_kwargs={"reasoning_content": thinking} if thinking else {},
            tool_call_chunks=calls,
            usage_metadata=usage(part) if ended else None,
        ),
        # Servers before 0.4 end with "done" alone; it is said only at a complete end or with its reason.
        generation_info={"done_reason": part.get("done_reason") or "stop", "model_name": part.get("model")}
        if ended
        else None,
    )
