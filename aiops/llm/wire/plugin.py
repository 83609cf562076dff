"""An LLM plugin as a chat model; its answer comes whole."""

from __future__ import annotations

import asyncio
import copy
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

MOST = 64
"""Calls at once in one process: a plugin blocks a thread until it has answered."""
ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "user"}
ANSWERED_BY = "answered_by"
"""Key of the model that really answered, in a message's metadata."""


_threads = ThreadPoolExecutor(MOST, thread_name_prefix="plugin")


class PluginModel(BaseChatModel):
    """Gives the last question as ``prompt``, and what was before it as ``context``."""

    plugin: Any
    force_advanced: bool = False
    disable_streaming: bool = True

    @property
    def _llm_type(self) -> str:
        return type(self.plugin).__name__

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        plugin = copy.copy(self.plugin)  # one for each call: what it says of its last model is of this one
        asked = max((n for n, one in enumerate(messages) if one.type == "human"), default=len(messages) - 1)
        others = [one for n, one in enumerate(messages) if n != asked]
        context = [{"role": ROLES.get(one.type, "user"), "content": str(one.text)} for one in others]
        answer = plugin.generate_response(
            str(messages[asked].text), context=context or None, force_advanced=self.force_advanced
        )
        if not isinstance(answer, str):
            raise TypeError(f"{self._llm_type} answered {type(answer).__name__}, which is no text")
        used = getattr(plugin, "last_used_model", None)
        metadata = {"finish_reason": "stop", **({ANSWERED_BY: str(used)[:200]} if used else {})}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(answer, response_metadata=metadata))])

    async def _agenerate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return await asyncio.get_running_loop().run_in_executor(_threads, self._generate, messages)
