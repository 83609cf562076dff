"""Validates the last answer against a JSON Schema; an answer that does not fit is sent back to the model once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.messages.ai import add_usage

from aiops import log, schemas
from aiops.agent.ports import Watcher
from aiops.errors import RunFailed

INSTRUCTION = "\nYour last answer must be JSON alone, without any other words, and fit this JSON Schema:\n{schema}"
"""Added to the system prompt."""
REPAIR = "Your answer does not fit the JSON Schema:\n{problems}\nAnswer again: JSON alone, corrected."

logger = log.get(__name__)


class AnswerSchema(AgentMiddleware[Any, Any]):
    """Wraps every model call; a response with tool calls is not an answer yet."""

    def __init__(self, written: str) -> None:
        super().__init__()
        self._schema = schemas.compiled(written)

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return an answer that fits, or tool calls; raises RunFailed ``answer_invalid``."""
        watcher: Watcher = request.runtime.context
        response = await handler(request)
        if not (problems := self._problems(response)):
            return response
        logger.info("answer.repaired", problems=len(problems))
        await watcher.model_call_failed("answer_invalid")
        first = response.result[-1]
        correction = HumanMessage(REPAIR.format(problems="\n".join(problems)))
        second = await handler(request.override(messages=[*request.messages, first, correction]))
        if problems := self._problems(second):
            raise RunFailed(
                f"The answer does not fit the response_schema, also when asked again: {'; '.join(problems)}",
                code="answer_invalid",
            )
        return replace(second, result=[*second.result[:-1], _with_usage(second.result[-1], first)])

    def _problems(self, response: Any) -> list[str]:
        last = response.result[-1] if response.result else None
        if not isinstance(last, AIMessage) or last.tool_calls:
            return []
        return self._schema.problems(last.text)


def _with_usage(answer: AIMessage, before: AIMessage) -> AIMessage:
    """Return the answer with the tokens of both calls."""
    if before.usage_metadata is None or answer.usage_metadata is None:
        return answer
    return answer.model_copy(update={"usage_metadata": add_usage(before.usage_metadata, answer.usage_metadata)})
