"""The offline chat model: it greets, calls the tool that matches best, and shows what the tool returns."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Sequence
from itertools import takewhile
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from aiops.llm.offline.markdown import as_markdown
from aiops.llm.offline.matching import NAME, fill, rank
from aiops.llm.values import QUESTION_CHARACTERS

NO_MODEL = "*No language model is configured: I match words to tools and show what they return.*"
NOT_READ = "*What you attached was not read: that takes a language model.*"
GREETING = re.compile(r"^\W*(hi|hello|hey|good (morning|day|evening)|moin|hallo)\b[\w ]{0,20}\W*$", re.IGNORECASE)
THANKS = re.compile(r"^\W*(thanks|thank you|thx|great|ok|okay|cool|bye)\b[\w ]{0,20}\W*$", re.IGNORECASE)
ABOUT = re.compile(r"\b(what can you do|wh(o|at) are you|help me|your tools)\b|^\W*help\W*$", re.IGNORECASE)
UP = re.compile(r"\bis (?!this|the|it\b|machine|everything)([\w.-]+) (?:up|down|alive|active)\b", re.IGNORECASE)


class OfflineModel(BaseChatModel):
    """A chat model of rules; ``tools`` are function descriptions in OpenAI's format."""

    tools: list[dict[str, Any]] = []

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> OfflineModel:
        return OfflineModel(tools=[convert_to_openai_tool(tool)["function"] for tool in tools])

    def answer(self, messages: Sequence[BaseMessage]) -> AIMessage:
        """Return the next answer or tool call; of a message with attachments, only the question counts."""
        asked = next((m for m in reversed(messages) if isinstance(m, HumanMessage)), HumanMessage(""))
        characters = asked.additional_kwargs.get(QUESTION_CHARACTERS)
        answer = self._answer(messages, asked.text[:characters])
        note = f"{NOT_READ}\n\n" if characters is not None and answer.text else ""
        return answer.model_copy(update={"content": note + answer.text})

    def _answer(self, messages: Sequence[BaseMessage], question: str) -> AIMessage:
        results: list[Any] = list(takewhile(lambda m: isinstance(m, ToolMessage), reversed(messages)))[::-1]
        if results:
            shown = ["The tool failed:\n\n" * (m.status == "error") + as_markdown(m.text) for m in results]
            others = [n for n in NAME.findall(question) if not any(n.lower() in m.text.lower() for m in results)]
            note = f"I know nothing about {', '.join(others)}: this is what I looked at instead."
            return AIMessage("\n\n".join([note] * bool(others) + shown))
        if GREETING.match(question):
            return AIMessage("Hello. Ask me about this machine, or ask what I can do.")
        if THANKS.match(question):
            return AIMessage("You are welcome.")
        if ABOUT.search(question):
            return AIMessage(self._about("I can look things up with these tools:"))
        question = UP.sub(r"is \1 running", question)
        tool = rank(question, self.tools)
        if tool is None:
            return AIMessage(self._about("I found no tool that fits this question. What I have:"))
        arguments, missing = fill(question, tool["parameters"], nouns=tool["name"].split("_")[1:])
        if missing:
            return AIMessage(f"`{tool['name']}` fits, but I need its **{'**, **'.join(missing)}**: say it in quotes.")
        return AIMessage("", tool_calls=[{"name": tool["name"], "args": arguments, "id": f"offline-{messages[-1].id}"}])

    def _about(self, opening: str) -> str:
        known = [f"- `{tool['name']}`: {(tool['description'] or tool['name']).splitlines()[0]}" for tool in self.tools]
        return "\n".join([opening, "", *(known or ["- none: no tools are connected just now"]), "", NO_MODEL])

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        answer = self.answer(messages)
        calls = [tool_call_chunk(name=c["name"], args=json.dumps(c["args"]), id=c["id"]) for c in answer.tool_calls]
        last = AIMessageChunk(content="", tool_call_chunks=calls, response_metadata={"finish_reason": "stop"})
        for part in [*(AIMessageChunk(content=word) for word in re.findall(r"\s*\S+\s*", answer.text)), last]:
            yield ChatGenerationChunk(message=part)
            await asyncio.sleep(0.004)  # words arrive one by one, as from a language model
