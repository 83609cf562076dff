"""ChatAnthropic, whose chunks say how the answer ended, and what the model thought, as those of other providers do."""

from __future__ import annotations

import functools
from typing import Any

import anthropic
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata


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
        if chunk is None:
            return chunk, block
        if event.type == "message_start":  # some servers say at the end only what was answered
            chunk.usage_metadata = _usage(event.message.usage)
        if reason := chunk.response_metadata.get("stop_reason"):
            chunk.response_metadata["finish_reason"] = reason
        said = getattr(event, "delta", None) or getattr(event, "content_block", None)
        for part in ("thinking", "signature"):
            if isinstance(text := getattr(said, part, None), str) and text:
                chunk.additional_kwargs["reasoning_content" if part == "thinking" else "reasoning_signature"] = text
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
    more = message.additional_kwargs
    if not isinstance(message, AIMessage) or not more.get("reasoning_signature"):
        return message
    thought = {
        "type": "thinking",
        "thinking": more.get("reasoning_content", ""),
        "signature": more["reasoning_signature"],
    }
    said = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return message.model_copy(update={"content": [thought, *said]})
