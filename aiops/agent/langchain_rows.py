"""LangChain's middleware made from configs: what JSON cannot write becomes what the constructors take.

Those that ask a model besides the answering one go on without what it failed to do, unless they are critical.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
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
    ToolCallLimitMiddleware,
)
from langchain_core.messages import AnyMessage, HumanMessage, ToolMessage

from aiops import log
from aiops.agent.ports import Watcher
from aiops.chains.langchain_types import CONTEXT_EDITING, PII, SELECTOR, SUMMARIES, TOOL_LIMIT
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.llm.values import MiddlewareSpec

LINEAR = {
    "email": r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]++@[A-Za-z0-9-]++(?:\.[A-Za-z0-9-]++)*\.[A-Za-z]{2,}+",
    "url": r"https?://[^\s<>\"{}|\\^`\[\]]++"
    r"|(?<![\w.@/-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,}+(?:/[^\s]*+)?",
}
"""Patterns in place of LangChain's own, which take seconds for some messages of 32 kB."""
ASK_A_MODEL = (SELECTOR, SUMMARIES)
SEARCH_S = 0.5
"""Longest search for a detector's pattern."""
FAILED = "The middleware {name} could not {what}: {reason}"
REFUSED = "The message is refused: {reason}"

logger = log.get(__name__)


def made(one: MiddlewareSpec, options: dict[str, Any], *, patience_s: float) -> AgentMiddleware[Any, Any] | None:
    """Return the middleware of a config, models in place; None for a type that needs no more than its config."""
    if one.name == CONTEXT_EDITING:
        edits = [ClearToolUsesEdit(**edit) for edit in options.pop("edits", ())]
        return ContextEditingMiddleware(edits=edits or None, **options)
    if one.name == PII:
        pattern = options.pop("detector", None) or LINEAR.get(options["pii_type"])
        return PersonalData(detector=_detector(options["pii_type"], pattern) if pattern else None, **options)
    if one.name == SUMMARIES:
        sizes = {name: _size(options.pop(name)) for name in ("trigger", "keep") if name in options}
        return Summaries(Trouble(one, patience_s), **sizes, **options)
    if one.name == TOOL_LIMIT:
        return ToolCallLimitMiddleware(**capped(options))
    if one.name == SELECTOR:
        return ToolSelector(Trouble(one, patience_s), **options)
    return None


class Trouble:
    """Says that a call of a helping model failed; raises RunFailed if the middleware is critical."""

    def __init__(self, one: MiddlewareSpec, patience_s: float) -> None:
        self._one = one
        self.patience_s = patience_s
        """Longest time of such a call."""

    async def tell(self, watcher: Watcher, error: Exception, *, what: str) -> None:
        logger.warning("middleware.failed", middleware=self._one.name, exc_info=error)
        reason = failures.words(error) or (str(error) if isinstance(error, NoSummary) else type(error).__name__)
        text = FAILED.format(name=self._one.name, what=what, reason=reason)
        if self._one.is_critical:
            raise RunFailed(f"{text} It is critical.", code="middleware_failed", retry=True) from error
        await watcher.notice("middleware_skipped", f"{text} The answer does without it.")


def capped(options: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a limit: that of a run cannot be above that of a conversation."""
    known = [options[name] for name in ("run_limit", "thread_limit") if options.get(name)]
    return {**options, "run_limit": min(known)} if known else options


class NoSummary(Exception):
    """The model gave none; the message says why."""


class Summaries(SummarizationMiddleware):
    """Keeps the history as it is when no summary could be made, and the question in every case."""

    def __init__(self, trouble: Trouble, **options: Any) -> None:
        super().__init__(**options)
        self._trouble = trouble

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(self._trouble.patience_s):
                return await super().abefore_model(state, runtime)
        except Exception as error:  # noqa: BLE001  a provider's client can raise anything
            await self._trouble.tell(runtime.context, error, what="summarize the conversation")
            return None

    def _determine_cutoff_index(self, messages: list[AnyMessage]) -> int:
        asked = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
        return min(super()._determine_cutoff_index(messages), asked)

    async def _acreate_summary(self, messages_to_summarize: list[AnyMessage]) -> str:
        if not self._trim_messages_for_summary(messages_to_summarize):
            raise NoSummary("its messages are longer than trim_tokens_to_summarize allows")
        summary = str(await super()._acreate_summary(messages_to_summarize))
        if not summary.strip():
            raise NoSummary("the model answered nothing")
        return summary


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
            async with asyncio.timeout(self._trouble.patience_s):
                await super().awrap_model_call(request, choose)
        except Exception as error:  # noqa: BLE001  a provider's client can raise anything
            await self._trouble.tell(request.runtime.context, error, what="choose tools")
        return await handler(chosen[0] if chosen else request)


class PersonalData(PIIMiddleware):
    """Refuses the message where LangChain's raises an error of its own, and hides what earlier ones have."""

    def __init__(self, pii_type: str, *, strategy: str = "redact", **options: Any) -> None:
        super().__init__(pii_type, strategy=strategy, **options)
        # A message that was refused stays in the conversation: the next one must not bring it to the model.
        hidden = "redact" if strategy == "block" else strategy
        self._earlier = PIIMiddleware(pii_type, strategy=hidden, **options)

    async def abefore_agent(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        messages: list[AnyMessage] = state["messages"]
        asked = max((n for n, message in enumerate(messages) if isinstance(message, HumanMessage)), default=0)
        with _refusing():
            changed = [new for one in messages[:asked] if (new := self._hidden(one)) is not None]
        return {"messages": changed} if changed else None

    async def abefore_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:
        with _refusing():
            return await super().abefore_model(state, runtime)

    def _hidden(self, message: AnyMessage) -> AnyMessage | None:
        """Return an earlier message without what it must not have; None if it may stay."""
        looked_at = isinstance(message, HumanMessage) and self.apply_to_input
        if not message.content or not (looked_at or (isinstance(message, ToolMessage) and self.apply_to_tool_results)):
            return None
        content, changed = self._earlier._process_content(message.content)
        return message.model_copy(update={"content": content}) if changed else None


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
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
