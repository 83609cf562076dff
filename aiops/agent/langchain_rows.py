"""LangChain's middleware made from configs: what JSON cannot write becomes what the constructors take.

Those that ask a model besides the answering one go on without what it failed to do, unless they are critical.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import regex
from langchain.agents.middleware import (
    AgentMiddleware,
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    LLMToolSelectorMiddleware,
    ModelResponse,
    PIIDetectionError,
    PIIMatch,
    PIIMiddleware,
    SummarizationMiddleware,
)

from aiops import log
from aiops.agent.ports import Watcher
from aiops.chains.langchain_types import CONTEXT_EDITING, PII, SELECTOR, SUMMARIES
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.llm.values import MiddlewareSpec

ASK_A_MODEL = (SELECTOR, SUMMARIES)
SEARCH_S = 0.5
"""Longest search for a detector's pattern."""
FAILED = "The middleware {name} could not {what}: {reason}"
REFUSED = "The message is refused: {reason}"

logger = log.get(__name__)


def made(one: MiddlewareSpec, options: dict[str, Any]) -> AgentMiddleware[Any, Any] | None:
    """Return the middleware of a config, models in place; None for a type that needs no more than its config."""
    if one.name == CONTEXT_EDITING:
        edits = [ClearToolUsesEdit(**edit) for edit in options.pop("edits", ())]
        return ContextEditingMiddleware(edits=edits or None, **options)
    if one.name == PII:
        pattern = options.pop("detector", None)
        return PersonalData(detector=_detector(options["pii_type"], pattern) if pattern else None, **options)
    if one.name == SUMMARIES:
        sizes = {name: _size(options.pop(name)) for name in ("trigger", "keep") if name in options}
        return Summaries(Trouble(one), **sizes, **options)
    if one.name == SELECTOR:
        return ToolSelector(Trouble(one), **options)
    return None


class Trouble:
    """Says that a call of a helping model failed; raises RunFailed if the middleware is critical."""

    def __init__(self, one: MiddlewareSpec) -> None:
        self._one = one

    async def tell(self, watcher: Watcher, error: Exception, *, what: str) -> None:
        logger.warning("middleware.failed", middleware=self._one.name, exc_info=error)
        reason = failures.words(error) or type(error).__name__
        text = FAILED.format(name=self._one.name, what=what, reason=reason)
        if self._one.is_critical:
            raise RunFailed(f"{text} It is critical.", code="middleware_failed", retry=True) from error
        await watcher.notice("middleware_skipped", f"{text} The answer does without it.")


class Summaries(SummarizationMiddleware):
    """Keeps the history as it is when no summary could be made."""

    def __init__(self, trouble: Trouble, **options: Any) -> None:
        super().__init__(**options)
        self._trouble = trouble

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        try:
            return await super().abefore_model(state, runtime)
        except Exception as error:  # noqa: BLE001  a provider's client can raise anything
            await self._trouble.tell(runtime.context, error, what="summarize the conversation")
            return None


class ToolSelector(LLMToolSelectorMiddleware):
    """Offers all tools when none could be chosen."""

    def __init__(self, trouble: Trouble, **options: Any) -> None:
        super().__init__(**options)
        self._trouble = trouble

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        chosen: list[Any] = []

        async def choose(changed: Any) -> ModelResponse[Any]:
            chosen.append(changed)
            return ModelResponse(result=[])

        try:
            await super().awrap_model_call(request, choose)
        except Exception as error:  # noqa: BLE001  a provider's client can raise anything
            await self._trouble.tell(request.runtime.context, error, what="choose tools")
        return await handler(chosen[0] if chosen else request)


class PersonalData(PIIMiddleware):
    """Refuses the message where LangChain's raises an error of its own."""

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        try:
            return await super().abefore_model(state, runtime)
        except PIIDetectionError as error:
            raise RunFailed(REFUSED.format(reason=f"it has {error.pii_type}."), code="input_refused") from error
        except TimeoutError as error:
            raise RunFailed(REFUSED.format(reason="checking it takes too long."), code="input_refused") from error


def _detector(kind: str, pattern: str) -> Callable[[str], list[PIIMatch]]:
    """Return a search with a limit of time: LangChain's own has none."""
    wanted = regex.compile(pattern)

    def find(text: str) -> list[PIIMatch]:
        found = wanted.finditer(text, timeout=SEARCH_S)
        return [PIIMatch(type=kind, value=one.group(), start=one.start(), end=one.end()) for one in found]

    return find


def _size(value: Any) -> Any:
    """Return a size or a list of them with tuples, which JSON does not have."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return tuple(value)
    return [_size(one) for one in value] if isinstance(value, list) else value
