"""Says so when the result of a tool looks like instructions to the model; every result is marked as data anyway."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import regex
from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from aiops import log
from aiops.agent.ports import Watcher

SUSPECTED = "The result of {tool} has text that looks like instructions to the model: it was given to it as data."
SEARCH_S = 0.2
KNOWN = (
    r"(?i)\b(ignore|disregard|forget)\b.{0,40}\b(previous|prior|above|earlier|all)\b.{0,30}\b(instruction|prompt|rule)s?",
    r"(?i)\byou are now\b.{0,60}\b(assistant|agent|mode|admin|root|DAN)\b",
    r"(?i)\b(reveal|print|repeat|show)\b.{0,30}\b(system prompt|your instructions|hidden prompt)\b",
    r"(?i)<\s*/?\s*(system|assistant)\s*>|\[\s*(system|INST)\s*\]|<\|im_start\|>",
    r"(?i)\bnew (system )?instructions?\s*:",
)
"""What such texts have said so far (as of 2026-11); capability limits protect, not this."""

logger = log.get(__name__)


class PromptInjectionMiddleware(AgentMiddleware[Any, Any]):
    """Wraps every tool call; ``patterns`` are looked for besides the known ones."""

    def __init__(self, *, patterns: Sequence[str] = ()) -> None:
        super().__init__()
        self._patterns = [regex.compile(one) for one in (*KNOWN, *patterns)]

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        result = await handler(request)
        if not isinstance(result, ToolMessage):
            return result
        tool = str(request.tool_call["name"])
        if self._is_suspect(result.text):
            watcher: Watcher = request.runtime.context
            logger.warning("prompt_injection.suspected", tool=tool)
            await watcher.notice("prompt_injection_suspected", SUSPECTED.format(tool=tool))
        return result

    def _is_suspect(self, text: str) -> bool:
        try:
            return any(pattern.search(text, timeout=SEARCH_S) for pattern in self._patterns)
        except TimeoutError:
            return True
