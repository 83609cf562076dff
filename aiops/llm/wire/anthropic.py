"""ChatAnthropic, whose chunks say how the answer ended, and what the model thought, as those of other providers do."""

from __future__ import annotations

import functools
import json
from typing import Any

import anthropic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata

BLOCKS = "reasoning_blocks"
"""Key of what the model thought as the API wants it back: lines of [index of the block, part, piece of text]."""
PARTS = ("thinking", "signature", "data")
"""Parts of blocks; data is thinking that the provider has encrypted (redacted_thinking)."""


def make(**options: Any) -> ChatAnthropic:
    """Return the chat model; options are ChatAnthropic's."""
    return _Chat(**options)


class _Chat(ChatAnthropic):
    @functools.cached_property
    def _async_client(self) -> anthropic.AsyncAnthropic:
        """Connections of this model's own: LangChain's would be shared, and not to be closed for one of them.

        A redirect, which is not followed, could lead to an address that nobody allowed.
        """
        connections = anthropic.DefaultAsyncHttpxClient(timeout=self.default_request_timeout, follow_redirects=False)
        return anthropic.AsyncAnthropic(**self._client_params, http_client=connections)

    def _make_message_chunk_from_anthropic_event(self, event: Any, **options: Any) -> tuple[AIMessageChunk | None, Any]:
        chunk, block = super()._make_message_chunk_from_anthropic_event(event, **options)
        if event.type == "message_stop":
            chunk = AIMessageChunk(content="", response_metadata={"done": True})
        said = getattr(event, "delta", None) or getattr(event, "content_block", None)
        if chunk is None and getattr(said, "type", "") == "redacted_thinking":
            chunk = AIMessageChunk(content="")
        if chunk is None:
            return chunk, block
        if event.type == "message_start":  # some servers say at the end only what was answered
            chunk.usage_metadata = _usage(event.message.usage)
        if reason := chunk.response_metadata.get("stop_reason"):
            chunk.response_metadata["finish_reason"] = reason
        for part in PARTS:
            if isinstance(text := getattr(said, part, None), str) and text:
                chunk.additional_kwargs[BLOCKS] = json.dumps([event.index, part, text]) + "\n"
                if part == "thinking":
                    chunk.additional_kwargs["reasoning_content"] = text
        return chunk, block

    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        messages = [_with_thought(message) for message in self._convert_input(input_).to_messages()]
        payload: dict[str, Any] = super()._get_request_payload(messages, stop=stop, **kwargs)
        return payload


def _usage(used: Any) -> UsageMetadata:
    cached = (used.cache_creation_input_tokens or 0) + (used.cache_read_input_tokens or 0)
    into, out = used.input_tokens + cached, used.output_tokens
    return UsageMetadata(input_tokens=into, output_tokens=out, total_tokens=into + out)


def _with_thought(message: Any) -> Any:
    """Return the message with its thinking as the API wants it back, before the calls that it led to."""
    pieces = message.additional_kwargs.get(BLOCKS, "")
    if not isinstance(message, AIMessage) or not pieces:
        return message
    blocks: dict[int, dict[str, str]] = {}
    for index, part, text in map(json.loads, pieces.splitlines()):
        block = blocks.setdefault(index, {"type": "redacted_thinking" if part == "data" else "thinking"})
        block[part] = block.get(part, "") + text
    # The API refuses what it did not sign.
    thought = [one for _, one in sorted(blocks.items()) if one.get("signature") or one.get("data")]
    said = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return message.model_copy(update={"content": [*thought, *said]}) if thought else message
