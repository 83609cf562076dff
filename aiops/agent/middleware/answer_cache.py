"""Answers what the same person asked before, word for word, with the same answer; never after tools were called."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis
from langchain.agents.middleware import AgentMiddleware, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage

from aiops import keyspace, log
from aiops.agent.answer import REASONS, End
from aiops.agent.ports import Watcher
from aiops.agent.surroundings import Surroundings

USUAL_TTL_S = 300
FROM_CACHE = ("answer_from_cache", "You asked exactly this before: this is the answer of then.")

logger = log.get(__name__)


class CacheMiddleware(AgentMiddleware[Any, Any]):
    """Wraps every model call. A failure of Redis costs a call of the model, not the answer."""

    def __init__(self, *, ttl_s: int | None = None) -> None:
        super().__init__()
        self._ttl_s = ttl_s
        self._redis: Any = None
        self._model = ""

    def surround(self, surroundings: Surroundings) -> None:
        """Take the process's Redis, and the lifetime that the model's row has."""
        spec = surroundings.spec
        self._redis = surroundings.redis
        self._ttl_s = self._ttl_s or spec.client_ttl_s or USUAL_TTL_S
        self._model = json.dumps([spec.label, spec.handler_name, spec.config, spec.parameters, spec.temperature])

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        watcher: Watcher = request.runtime.context
        if called_tools(request.messages):
            return await handler(request)
        key = keyspace.answer(self._key(request, watcher))
        if (known := await self._read(key)) is not None:
            await watcher.notice(*FROM_CACHE)
            await watcher.say(known)
            said = AIMessage(known, id=str(uuid.uuid4()), response_metadata={"finish_reason": "stop"})
            return ModelResponse(result=[said])
        response = await handler(request)
        if (text := _whole(response)) is not None:
            await self._write(key, text)
        return response

    def _key(self, request: Any, watcher: Watcher) -> str:
        asked = {
            "user": watcher.user_id,
            "model": self._model,
            "prompt": request.system_prompt or "",
            "tools": sorted(str(getattr(tool, "name", tool)) for tool in request.tools or ()),
            "messages": [[one.type, str(one.text), _calls(one)] for one in request.messages],
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    async def _read(self, key: str) -> str | None:
        try:
            found = await self._redis.get(key)
        except (redis.RedisError, OSError) as error:
            logger.warning("cache.unavailable", error=str(error))
            return None
        return found.decode() if found is not None else None

    async def _write(self, key: str, text: str) -> None:
        try:
            await self._redis.set(key, text, ex=self._ttl_s)
        except (redis.RedisError, OSError) as error:
            logger.warning("cache.unavailable", error=str(error))


def called_tools(messages: Sequence[AnyMessage]) -> bool:
    """Return whether tools were called since the last question."""
    for message in reversed(messages):
        if message.type == "human":
            return False
        if message.type == "tool" or getattr(message, "tool_calls", None):
            return True
    return False


def _calls(message: AnyMessage) -> list[Any]:
    return [[call["name"], call["args"]] for call in getattr(message, "tool_calls", ())]


def _whole(response: Any) -> str | None:
    """Return the text of an answer that came to its end without a call; None for all others."""
    (said, *more) = response.result
    if more or not isinstance(said, AIMessage) or said.tool_calls or not said.text.strip():
        return None
    reason = str(said.response_metadata.get("finish_reason", "")).lower()
    return str(said.text) if REASONS.get(reason) is End.COMPLETE else None
