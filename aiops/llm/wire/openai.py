"""ChatOpenAI and AzureChatOpenAI, with all that servers send: thinking, refusals, unusual pieces, the end's mark."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import httpx2
import openai
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai._streaming import ServerSentEvent

_Made = TypeVar("_Made", bound=BaseChatOpenAI)
END_OF_STREAM = "[DONE]"
MARK = "aiops_done"
"""Key of the chunk that stands for the end of the stream, which the client does not report otherwise."""


def make(**options: Any) -> ChatOpenAI:
    """Return a chat model whose chunks have everything that the server said; options are ChatOpenAI's."""
    return _marking(_Chat(http_async_client=_client(options), use_responses_api=False, **options))


def make_azure(**options: Any) -> AzureChatOpenAI:
    """Return such a chat model of a deployment in Azure; options are AzureChatOpenAI's."""
    return _marking(_AzureChat(http_async_client=_client(options), use_responses_api=False, **options))


def _client(options: dict[str, Any]) -> Any:
    """Return connections of this model's own: LangChain's would be shared, and not to be closed for one of them."""
    # A redirect could lead to an address that nobody allowed.
    return openai.DefaultAsyncHttpxClient(timeout=options.get("timeout"), follow_redirects=False)


def _marking(made: _Made) -> _Made:
    client = made.root_async_client
    decoder = client._make_sse_decoder
    client._make_sse_decoder = lambda: _Marking(decoder())
    return made


class _Whole(BaseChatOpenAI):
    def _get_request_payload(self, input_: Any, *, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        payload: dict[str, Any] = super()._get_request_payload(input_, stop=stop, **kwargs)
        for sent, message in zip(payload["messages"], self._convert_input(input_).to_messages(), strict=True):
            if thought := message.additional_kwargs.get("reasoning_content"):  # kept only where it is wanted back
                sent["reasoning_content"] = thought
        return payload

    def _convert_chunk_to_generation_chunk(
        self, chunk: dict[str, Any], default_chunk_class: type, base_generation_info: dict[str, Any] | None
    ) -> ChatGenerationChunk | None:
        if chunk.get(MARK):
            return ChatGenerationChunk(message=AIMessageChunk(content=""), generation_info={"done": True})
        delta = tidied(chunk)
        made = super()._convert_chunk_to_generation_chunk(chunk, AIMessageChunk, base_generation_info)
        if made is not None and delta:
            said = {
                "reasoning_content": delta.get("reasoning_content") or delta.get("reasoning"),
                "refusal": delta.get("refusal"),
            }
            made.message.additional_kwargs |= {name: text for name, text in said.items() if isinstance(text, str)}
        return made


class _Chat(_Whole, ChatOpenAI):
    pass


class _AzureChat(_Whole, AzureChatOpenAI):
    pass


def tidied(chunk: Any) -> dict[str, Any]:
    """Bring a chunk into the form that LangChain expects; return its delta. Raises APIError for a server's error."""
    if not chunk.get("choices") and (chunk.get("object") == "error" or (chunk.get("message") and chunk.get("type"))):
        raise openai.APIError(str(chunk.get("message")), request=httpx2.Request("POST", ""), body=chunk)
    chunk["choices"] = [one for one in chunk.get("choices") or [] if isinstance(one, dict)]
    if not chunk["choices"]:
        return {}
    choice = chunk["choices"][0]
    # Azure's asynchronous filter sends a choice without a delta, some servers a whole message (as of 2026-11).
    delta: dict[str, Any] = choice.get("delta") or choice.get("message") or {}
    choice["delta"] = delta
    delta["role"] = "assistant"
    if isinstance(content := delta.get("content"), list):
        delta["content"] = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if called := delta.pop("function_call", None):
        delta["tool_calls"] = [{"index": 0, "function": called}]
    delta["tool_calls"] = [_call(one) for one in delta.get("tool_calls") or [] if isinstance(one, dict)]
    return delta


def _call(piece: dict[str, Any]) -> dict[str, Any]:
    function = piece.get("function") or {}
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments)
    return {
        "index": piece.get("index"),
        "id": piece.get("id"),
        "function": {"name": function.get("name"), "arguments": arguments},
    }


class _Marking:
    """A decoder of the openai client (3.x) that reports the end of the stream as a chunk of its own."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def aiter_bytes(self, parts: AsyncIterator[bytes]) -> AsyncIterator[ServerSentEvent]:
        async for event in self._inner.aiter_bytes(parts):
            if event.data.startswith(END_OF_STREAM):
                yield ServerSentEvent(data=json.dumps({"choices": [], MARK: True}))
            yield event
