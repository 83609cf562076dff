"""The model that answers when none is configured: it ranks tools by words, calls the best, and writes down the result.

Deterministic, needs no network, and never pretends to be a language model.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import bm25s
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from aiops.agent.llm.markdown import as_markdown
from aiops.agent.values import ModelSpec

NO_MODEL = (
    "*No language model is configured: I matched your words to a tool and show what it returned. "
    "To add one, set `LLM_TYPE` and `LLM_MODEL` (for example `ollama` with `OLLAMA_BASE_URL`, "
    "or `openai` with `OPENAI_API_KEY`) and start again.*"
)
GREETING = re.compile(r"^\W*(hi|hello|hey|good (morning|day|evening)|moin|hallo)\b[\w ]{0,20}\W*$", re.IGNORECASE)
THANKS = re.compile(r"^\W*(thanks|thank you|thx|great|ok|okay|cool|bye)\b[\w ]{0,20}\W*$", re.IGNORECASE)
ABOUT = re.compile(r"\b(what can you do|who are you|what are you|help me|how can you help|your tools)\b|^\W*help\W*$", re.IGNORECASE)
STOP_WORDS = frozenset(
    "a an and are at be by can could did do does for from give has have how i in is it its list me my of on or please "
    "server show tell that the there this to was what when where which who why will with you your".split()
)
WORD_PAUSE_S = 0.004
logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for DEBUG when imported


def words(text: str) -> list[str]:
    """Return the words that say something, in lower case and singular."""
    found = re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    return [w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in found if w not in STOP_WORDS]


def rank(question: str, tools: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the tool that shares most with the question (BM25 over names and descriptions), or None."""
    asked = words(question)
    corpus = [words(f"{t['name']} {t['name']} {t['description']} {' '.join(t['parameters']['properties'])}") for t in tools]
    vocabulary = {w for document in corpus for w in document}
    asked = [w for w in asked if w in vocabulary]
    if not asked:
        return None
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    scores = index.get_scores(asked)
    best = int(scores.argmax())
    return tools[best] if scores[best] > 0 else None


def fill(question: str, schema: dict[str, Any], *, nouns: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return (arguments found in the question, required ones that were not); a name may follow one of ``nouns``."""
    numbers = re.findall(r"(?<![\w.])\d+(?![\w.])", question)
    quoted = re.findall(r"[\"'`“”]([^\"'`“”]+)[\"'`“”]", question)
    names = [t.rstrip("?!.,") for t in question.split() if re.search(r"[./_\-\d]|^[A-Z]{2,}", t.strip("?!.,"))]
    found: dict[str, Any] = {}
    texts = quoted + [t for t in names if not t.isdecimal()]
    numeric = [n for n, p in schema.get("properties", {}).items() if p.get("type") in ("integer", "number")]
    for name in sorted(schema.get("properties", {}), key=lambda n: n not in numeric):
        value = _value(name, schema["properties"][name], question, numbers=numbers, texts=texts, nouns=nouns)
        if value is not None:
            found[name] = value
    return found, [name for name in schema.get("required", []) if name not in found]


def _value(
    name: str, schema: dict[str, Any], question: str, *, numbers: list[str], texts: list[str], nouns: Sequence[str]
) -> Any:
    choices = [c for option in schema.get("anyOf", [schema]) for c in option.get("enum", [])]
    kinds = {option.get("type") for option in schema.get("anyOf", [schema])}
    if choices:
        said = set(words(question))
        return next((c for c in choices if said & set(words(str(c)))), None)
    if kinds & {"integer", "number"}:
        return int(numbers.pop(0)) if numbers else None
    if "boolean" in kinds:
        return True if re.search(rf"\b{re.escape(name)}\b", question, re.IGNORECASE) else None
    if "string" in kinds:
        if texts:
            return texts.pop(0)
        if numbers:
            return numbers.pop(0)
        leads = "|".join(re.escape(noun) for noun in [name, *nouns])
        after = re.search(rf"\b(?:{leads})\s+(?:named |called |of )?([\w.\-/]+)", question, re.IGNORECASE)
        return after.group(1) if after and after.group(1).lower() not in STOP_WORDS else None
    return None


class OfflineModel(BaseChatModel):
    """A small chat model of rules; see the module."""

    tools: list[dict[str, Any]] = []

    @property
    def _llm_type(self) -> str:
        return "offline"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> OfflineModel:  # type: ignore[override]
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
            return AIMessage(f"`{tool['name']}` fits, but I need its **{'**, **'.join(missing)}**: say it in quotes.\n\n{NO_MODEL}")
        call = {"name": tool["name"], "args": arguments, "id": f"offline-{len(messages)}-{last.id or ''}"}
        return AIMessage("", tool_calls=[call])

    def _report(self, messages: Sequence[BaseMessage]) -> str:
        results = []
        for message in reversed(messages):
            if not isinstance(message, ToolMessage):
                break
            failed = "The tool failed: " if message.status == "error" else ""
            results.append(f"**{message.name}**\n\n{failed}{as_markdown(message.text)}")
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
            yield ChatGenerationChunk(message=AIMessageChunk(word))
        calls = [{"name": c["name"], "args": json.dumps(c["args"]), "id": c["id"], "index": i} for i, c in enumerate(said.tool_calls)]
        yield ChatGenerationChunk(message=AIMessageChunk("", tool_call_chunks=calls, usage_metadata=usage))  # type: ignore[arg-type]

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: CallbackManagerForLLMRun | None = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self.answer(messages))])

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: AsyncCallbackManagerForLLMRun | None = None, **kwargs: Any
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
