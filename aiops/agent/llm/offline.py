"""The model that answers when none is configured: it ranks tools by words, calls the best, and writes down the result.

Deterministic, needs no network, and never pretends to be a language model.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from aiops.agent.llm.markdown import as_markdown
from aiops.agent.llm.matching import fill, rank
from aiops.agent.values import ModelSpec

NO_MODEL = (
    "*No language model is configured: I matched your words to a tool and show what it returned. "
    "To add one, set `LLM_TYPE` and `LLM_MODEL` (for example `ollama` with `OLLAMA_BASE_URL`, "
    "or `openai` with `OPENAI_API_KEY`) and start again.*"
)
GREETING = re.compile(r"^\W*(hi|hello|hey|good (morning|day|evening)|moin|hallo)\b[\w ]{0,20}\W*$", re.IGNORECASE)
THANKS = re.compile(r"^\W*(thanks|thank you|thx|great|ok|okay|cool|bye)\b[\w ]{0,20}\W*$", re.IGNORECASE)
ABOUT = re.compile(
    r"\b(what can you do|who are you|what are you|help me|how can you help|your tools)\b|^\W*help\W*$", re.IGNORECASE
)
WORD_PAUSE_S = 0.004


class OfflineModel(BaseChatModel):
    """A small chat model of rules; see the module."""

    tools: list[dict[str, Any]] = []

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> OfflineModel:
        """Return a copy that knows these tools."""
        return OfflineModel(tools=[_described(convert_to_openai_tool(t)["function"]) for t in tools])

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        """Return what this model says next."""
        last = messages[-1]
        if isinstance(last, ToolMessage):
            return AIMessage(self._report(messages))
        question = next((m.text for m in reversed(messages) if isinstance(m, HumanMessage)), "")
        if GREETING.match(question):
            return AIMessage("Hello. Ask me about this machine, or ask what I can do.")
        if THANKS.match(question):
            return AIMessage("You are welcome.")
        if ABOUT.search(question):
            return AIMessage(self._about("I can look things up with these tools:"))
        tool = rank(question, self.tools) if self.tools else None
        if tool is None:
            return AIMessage(self._about("I found no tool that fits this question. What I have:"))
        arguments, missing = fill(question, tool["parameters"], nouns=tool["name"].split("_")[1:])
        if missing:
            return AIMessage(
                f"`{tool['name']}` fits, but I need its **{'**, **'.join(missing)}**: say it in quotes.\n\n{NO_MODEL}"
            )
        call = {"name": tool["name"], "args": arguments, "id": f"offline-{len(messages)}-{last.id or ''}"}
        return AIMessage("", tool_calls=[call])

    def _report(self, messages: Sequence[BaseMessage]) -> str:
        results = []
        for message in reversed(messages):
            if not isinstance(message, ToolMessage):
                break
            failed = "The tool failed:\n\n" if message.status == "error" else ""
            results.append(f"{failed}{as_markdown(message.text)}")
        return "\n\n".join([*reversed(results), NO_MODEL])

    def _about(self, opening: str) -> str:
        if not self.tools:
            return f"No tools are connected just now, so I can only say this much.\n\n{NO_MODEL}"
        lines = [f"- `{t['name']}`: {t['description'].splitlines()[0]}" for t in self.tools if t["description"]]
        return "\n".join([opening, "", *lines, "", NO_MODEL])

    def _chunks(self, messages: Sequence[BaseMessage]) -> Iterator[ChatGenerationChunk]:
        said = self.answer(messages)
        usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        for word in re.findall(r"\s*\S+\s*", said.text):
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        calls = [
            {"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": i}
            for i, c in enumerate(said.tool_calls)
        ]
        yield ChatGenerationChunk(message=AIMessageChunk(content="", tool_call_chunks=calls, usage_metadata=usage))  # type: ignore[arg-type]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._chunks(messages):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk
            await asyncio.sleep(WORD_PAUSE_S)


def _described(function: dict[str, Any]) -> dict[str, Any]:
    parameters = function.get("parameters") or {}
    return {
        "name": function["name"],
        "description": function.get("description") or "",
        "parameters": {"properties": {}, "required": [], **parameters},
    }


def build(spec: ModelSpec, *, timeout_s: float) -> BaseChatModel:
    """Return the model; there is nothing to configure."""
    return OfflineModel()
