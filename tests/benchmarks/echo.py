"""The model of every server in the comparison: the same forty words to any question, after DELAY seconds."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

WORDS = [f"w{i} " for i in range(40)]
DELAY_S = float(os.environ.get("DELAY", "0"))


class Echo(BaseChatModel):
    @property
    def _llm_type(self) -> str:
        return "echo"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Echo:
        return self

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("".join(WORDS)))])

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        if DELAY_S:
            await asyncio.sleep(DELAY_S)
        for word in WORDS:
            end = {"finish_reason": "stop"} if word is WORDS[-1] else {}
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=word, response_metadata=end))
            if run_manager:
                await run_manager.on_llm_new_token(word, chunk=chunk)
            yield chunk


OfflineModel = Echo
"""The name by which the offline provider imports its model, for which this module stands in."""
