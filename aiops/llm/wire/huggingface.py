"""ChatHuggingFace, with connections that end with their call, and with all that servers send.

The client of huggingface_hub 1.x keeps every streamed response until it is closed itself, so each call gets its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import HfHubHTTPError, TextGenerationError
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_huggingface import ChatHuggingFace
from pydantic import PrivateAttr

from aiops.llm.failures import ProviderFailed
from aiops.llm.wire.openai import tidied


def make(model_name: str, *, url: str, api_key: str, timeout: float | None, **options: Any) -> ChatHuggingFace:
    """Return the chat model; ``url`` ends before ``/chat/completions``, options are those of a request."""
    made = _Chat(llm=None, model_id=model_name, model_kwargs=options)
    made._connection = {"base_url": url, "api_key": api_key, "timeout": timeout}
    return made


class HuggingFaceRefused(Exception):
    """An error of the server, in the form of the other providers' clients."""

    def __init__(self, error: HfHubHTTPError) -> None:
        super().__init__(str(error))
        self.response = error.response
        self.status_code = error.response.status_code
        self.body = {"message": error.server_message}


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
        async with AsyncInferenceClient(**self._connection) as client:
            try:
                async for part in await client.chat_completion(messages=sent, **options):
                    yield _chunk(part)
            except TextGenerationError as error:
                raise ProviderFailed(str(error)) from error
            except HfHubHTTPError as error:
                raise HuggingFaceRefused(error) from error


def _chunk(part: Mapping[str, Any]) -> ChatGenerationChunk:
    delta = tidied(part)
    choice = part["choices"][0] if part["choices"] else {}
    thought = delta.get("reasoning_content") or delta.get("reasoning")
    used = part.get("usage")
    return ChatGenerationChunk(
        message=AIMessageChunk(
            content=delta.get("content") or "",
            additional_kwargs={"reasoning_content": thought} if isinstance(thought, str) else {},
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
