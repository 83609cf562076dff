"""The end of a model call: what a provider's stream said, and whether it said all of it.

LangChain completes tool calls that were cut and merges those that share an index; so the pieces are read here, and a
call counts only when its arguments are whole JSON and the answer came to a complete end.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, tool_call_chunk

from aiops import untrusted

MAX_DEPTH = 50
"""Tool arguments that are nested deeper are an error: cutting them would make a different call."""
MAX_WORDS = 300
"""Characters of a provider's own words that are shown."""
DONE = "done"
"""Set in a chunk's metadata by ``llm.wire``: the provider marked the end of its stream."""

REASONING = {"reasoning_content", "reasoning_blocks"}
"""Keys of a message's ``additional_kwargs`` that hold what the model thought."""


class End(StrEnum):
    """How a model's answer ended."""

    COMPLETE = "complete"
    UNMARKED = "unmarked"
    """The stream was ended properly, but without a known reason: complete for text, never for calls."""
    CUT = "cut"
    """The limit of tokens was reached."""
    FILTERED = "filtered"
    """The provider's filter stopped it."""
    REFUSED = "refused"
    """The model declined to answer; its words are the text."""
    EMPTY = "empty"
    FAILED = "failed"
    """The provider reported an error of its own as the reason."""
    BROKEN = "broken"
    """The connection ended before the answer did."""


REASONS = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "function_call"), End.COMPLETE),
    **dict.fromkeys(("eos", "eos_token", "complete", "completed"), End.COMPLETE),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"), End.CUT),
    **dict.fromkeys(("content_filter", "content_filtered", "safety", "recitation", "blocklist"), End.FILTERED),
    "refusal": End.REFUSED,
    **dict.fromkeys(("error", "network_error", "abort", "server_error", "unload"), End.FAILED),
}
"""Finish reasons of providers and of servers with their APIs, in lower case (as of 2026-11)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call: its arguments, or why they could not be read."""

    name: str
    arguments: dict[str, Any]
    provider_id: str = ""
    problem: str = ""


@dataclass(slots=True)
class _Fragments:
    """A tool call as it arrives."""

    index: int | str | None
    id: str = ""
    name: str = ""
    arguments: str = ""

    def read(self) -> Call:
        try:
            return Call(untrusted.clean(self.name), _strict(self.arguments), untrusted.clean(self.id))
        except ValueError as error:
            return Call(untrusted.clean(self.name), {}, untrusted.clean(self.id), problem=str(error))


@dataclass(slots=True)
class Answer:
    """Gathers the chunks of one model call."""

    text: str = ""
    usage: UsageMetadata | None = None
    reason: str = ""
    """The provider's own word for the end."""
    answered_by: str = ""
    """The model that answered, where a provider chose it itself."""
    _refusal: str = ""
    _thought: dict[str, str] = field(default_factory=dict)
    _marked: bool = False
    _calls: list[_Fragments] = field(default_factory=list)

    def add(self, chunk: AIMessageChunk) -> tuple[str, str]:
        """Add a chunk; return the text and the thinking that it brought."""
        metadata, more = chunk.response_metadata, chunk.additional_kwargs
        text, thinking = str(chunk.text), str(more.get("reasoning_content") or "")
        for name in REASONING:
            if isinstance(part := more.get(name), str) and part:
                self._thought[name] = self._thought.get(name, "") + part
        refusal = str(more.get("refusal") or "")
        self._refusal += refusal
        self.text += text + refusal
        for piece in chunk.tool_call_chunks:
            self._add_piece(piece)
        if chunk.usage_metadata is not None:  # the last report counts: some servers repeat it in every chunk
            self.usage = _later(self.usage, chunk.usage_metadata)
        if reason := metadata.get("finish_reason") or metadata.get("done_reason"):
            self.reason = untrusted.clean(str(reason))[:MAX_WORDS]
        self.answered_by = untrusted.clean(str(metadata.get("answered_by") or self.answered_by))
        self._marked = self._marked or bool(metadata.get(DONE))
        return text + refusal, thinking

    def reasoning(self) -> dict[str, str]:
        """Return what the model thought, as a message keeps it for a provider that wants it back."""
        return {name: untrusted.clean(text) for name, text in self._thought.items()}

    def calls(self) -> list[Call]:
        """Return the tool calls in the order in which they began."""
        return [one.read() for one in self._calls]

    def end(self, *, reports_finish: bool) -> End:
        """Return how the answer ended, once its stream has; ``reports_finish`` as for a Provider."""
        found = REASONS.get(self.reason.lower(), End.UNMARKED)
        if reports_finish and not self.reason and not self._marked:
            found = End.BROKEN
        if self._calls:
            return End.BROKEN if found is End.UNMARKED else found
        if found in (End.COMPLETE, End.UNMARKED) and self._refusal:
            return End.REFUSED
        if found in (End.COMPLETE, End.UNMARKED) and not self.text.strip():
            return End.EMPTY
        return found

    def _add_piece(self, piece: ToolCallChunk) -> None:
        index, id_, name = piece.get("index"), piece.get("id") or "", piece.get("name") or ""
        one = self._continued(index, id_, name)
        if one is None:
            one = _Fragments(index)
            self._calls.append(one)
        one.id = one.id or id_
        if name != one.name:  # some servers repeat the whole name in every piece
            one.name += name
        one.arguments += piece.get("args") or ""

    def _continued(self, index: int | str | None, id_: str, name: str) -> _Fragments | None:
        """Return the call that a piece belongs to; None when it begins one: an index alone is not reliable."""
        same = [one for one in self._calls if one.index == index]
        if not same:
            return None
        if id_:
            matching = [one for one in same if one.id == id_]
            if matching:
                return matching[-1]
            return None if same[-1].id or _is_whole(same[-1]) else same[-1]
        return None if name and _is_whole(same[-1]) else same[-1]


def as_chunk(received: Any) -> AIMessageChunk | None:
    """Return what a model's stream gave as a chunk: a model that cannot stream gives one whole message."""
    if isinstance(received, AIMessageChunk):
        return received
    if not isinstance(received, AIMessage):
        return None
    calls = [(call["name"], json.dumps(call["args"]), call["id"]) for call in received.tool_calls]
    calls += [(call["name"] or "", call["args"] or "", call["id"]) for call in received.invalid_tool_calls]
    return AIMessageChunk(
        content=received.content,
        additional_kwargs={k: v for k, v in received.additional_kwargs.items() if k != "tool_calls"},
        response_metadata={DONE: True, **received.response_metadata},
        usage_metadata=received.usage_metadata,
        tool_call_chunks=[
            tool_call_chunk(name=name, args=args, id=id_, index=index) for index, (name, args, id_) in enumerate(calls)
        ],
    )


def _is_whole(one: _Fragments) -> bool:
    """Return whether a call has a name and arguments that need nothing more."""
    try:
        return bool(one.name and one.arguments.strip()) and isinstance(json.loads(one.arguments), dict)
    except (ValueError, RecursionError):
        return False


def _later(before: UsageMetadata | None, now: UsageMetadata) -> UsageMetadata:
    """Return the last report; what it leaves at zero, an earlier one may have had."""
    if before is None:
        return now
    into, out = now["input_tokens"] or before["input_tokens"], now["output_tokens"] or before["output_tokens"]
    return UsageMetadata(input_tokens=into, output_tokens=out, total_tokens=max(now["total_tokens"], into + out))


def _strict(written: str) -> dict[str, Any]:
    """Return the arguments of a call; raises ValueError with the reason. None at all means an empty object."""
    if not written.strip():
        return {}
    try:
        value = json.loads(written)
    except RecursionError:
        raise ValueError("they are nested too deep") from None
    except ValueError as error:
        raise ValueError(f"they are not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError("they are not a JSON object")  # noqa: TRY004  one kind of error for all reasons
    untrusted.faults(value, max_depth=MAX_DEPTH)
    cleaned: dict[str, Any] = untrusted.clean_json(value)
    return cleaned
