"""ChatHuggingFace, with connections that end with their call, and with all that servers send.

The client of huggingface_hub 1.x keeps every streamed response until it is closed itself, so each call gets its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError, TextGenerationError
from langchain_core.language_models.chat_models import agenerate_from_stream
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_huggingface import ChatHuggingFace
from pydantic import PrivateAttr

from aiops.llm.failures import ProviderFailed
from aiops.llm.wire.openai import END_OF_STREAM, tidied

DATA = "data:"


def make(model_name: str, *, url: str, api_key: str, timeout: float | None, **options: Any) -> ChatHuggingFace:
    """Return the chat model; ``url`` ends before ``/chat/completions``, options are those of a request."""
    made = _Chat(llm=None, model_id=model_name, model_kwargs=options)
    made._connection = {"base_url": url, "api_key": api_key, "timeout": timeout}
    return made


class HuggingFaceRefused(Exception):
    """An error of the server, in the form of the other providers' clients."""

    def __init__(self, error: HfHubHTTPError, body: bytes) -> None:
        super().__init__(str(error))
        self.response = error.response
        self.status_code = error.response.status_code
        try:
            self.body = json.loads(body)
        except ValueError:
            self.body = None


class _Chat(ChatHuggingFace):
    _connection: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, **options: Any) -> None:
        # ChatHuggingFace's own asks the Hub for a model's name, over the network.
        super(ChatHuggingFace, self).__init__(**options)

    def validate_llm(self) -> Any:  # type: ignore[override]
        """Accept that there is no other model to wrap."""
        return self

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        sent, options = self._create_message_dicts(messages, stop)
        options |= {**kwargs, "stream": True, "stream_options": {"include_usage": True}}
        async with _Client(**self._connection) as client:
            try:
                async for _ in await client.chat_completion(messages=sent, **options):
                    yield _chunk(json.loads(client.latest))
            except TextGenerationError as error:
                raise ProviderFailed(str(error)) from error
            except HfHubHTTPError as error:
                raise HuggingFaceRefused(error, await error.response.aread()) from error
            if client.is_done:
                yield ChatGenerationChunk(message=AIMessageChunk(content=""), generation_info={"done": True})

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: Any = None,
        run_manager: Any = None,
        stream: bool | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Answer as a whole, for middleware that asks a model: ChatHuggingFace's own would ask what it wraps."""
        return await agenerate_from_stream(self._astream(messages, stop, run_manager, **kwargs))


class _Client(AsyncInferenceClient):
    """Keeps each line as it came: the client's own classes drop what they do not know, such as thinking."""

    latest = ""
    is_done = False

    async def _get_async_client(self) -> httpx.AsyncClient:
        if self._async_client is None:  # a redirect could lead to an address that nobody allowed
            made = httpx.AsyncClient(follow_redirects=False, timeout=self.timeout)
            self._async_client = await self.exit_stack.enter_async_context(made)
        return self._async_client

    async def _inner_post(self, request_parameters: Any, *, stream: bool = False) -> Any:
        lines: Any = await super()._inner_post(request_parameters, stream=stream)
        return self._noted(lines)

    async def _noted(self, lines: AsyncIterator[str]) -> AsyncIterator[str]:
        async for line in lines:
            if line.startswith(DATA):
                self.latest = line.removeprefix(DATA).strip()
                self.is_done = self.latest == END_OF_STREAM
            yield line


def _chunk(part: dict[str, Any]) -> ChatGenerationChunk:
    delta = tidied(part)
    choice = part["choices"][0] if part["choices"] else {}
    said = {
        "reasoning_content": delta.get("reasoning_content") or delta.get("reasoning"),
        "refusal": delta.get("refusal"),
    }
    used = part.get("usage")
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=delta.get("content") or "",
            additional_kwargs={name: text for name, text in said.items() if isinstance(text, str)},
            tool_call_chunks=[
                tool_call_chunk(
                    name=call["function"]["name"],
                    args=call["function"]["arguments"],
                    id=call["id"],
                    index=call["index"],
                )
                for call in delta.get("tool_calls") or []
            ],
            usage_metadata=_usage(used) if used else None,
        ),
        generation_info={"finish_reason": choice["finish_reason"]} if choice.get("finish_reason") else None,
    )


def _usage(used: Mapping[str, Any]) -> UsageMetadata:
    into, out = used.get("prompt_tokens") or 0, used.get("completion_tokens") or 0
    return UsageMetadata(input_tokens=into, output_tokens=out, total_tokens=used.get("total_tokens") or into + out)
