"""Makes the model call: streams it to the reader, and lets a tool be called only after a complete answer."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, ToolMessage

from aiops import untrusted
from aiops.agent import tool_data
from aiops.agent.answer import REASONING, REASONS, Answer, Call, End, as_chunk
from aiops.agent.ports import Watcher
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.llm.providers import HANDLERS, OFFLINE
from aiops.llm.values import ModelSpec

PROVIDER_IDS = "provider_call_ids"
"""Key, in a message, of the provider's own ids of its calls by our ids."""
MAX_UNMADE = 2
"""Answers of one turn whose calls may be left unmade by their end."""
NOT_MADE = {
    End.CUT: "The answer was cut at the limit of tokens ({reason}), so this call was not made. Call again with less.",
    End.FILTERED: "The provider's filter stopped the answer ({reason}), so this call was not made.",
    End.REFUSED: "The answer ended as a refusal ({reason}), so this call was not made.",
}
UNREADABLE = "This call was not made: its arguments cannot be used: {problem}."
NOTICES = {
    End.CUT: (
        "answer_cut",
        "The answer ends where the limit of tokens was reached ({reason}): ask it to go on, or raise LLM_MAX_TOKENS.",
    ),
    End.FILTERED: ("answer_filtered", "The provider's filter stopped the answer here ({reason})."),
    End.REFUSED: ("answer_refused", "The model refused to answer this."),
}


class ModelCall(AgentMiddleware[Any, Any]):
    """The innermost middleware: it asks the model itself, because what LangChain makes of a stream is not strict.

    ``idle_s`` is the longest pause between two signs of life.
    """

    def __init__(self, spec: ModelSpec, *, idle_s: float) -> None:
        super().__init__()
        self._spec = spec
        self._idle_s = idle_s
        handler = HANDLERS[spec.handler_name]
        self._reports_finish = handler.reports_finish
        self._binding = handler.one_call if "parallel_tools" in spec.lacks else {}
        self._bound: tuple[Any, Any] | None = None

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return the answer and a result for each call that is not made.

        Raises TimeoutError, StreamCut, EmptyAnswer, ProviderFailed, RunFailed, or the provider's own error.
        """
        watcher: Watcher = request.runtime.context
        answer = await self._stream(request, watcher)
        end = answer.end(reports_finish=self._reports_finish)
        calls = answer.calls()
        match end:
            case End.BROKEN:
                raise failures.StreamCut("the stream ended without a finish reason")
            case End.FAILED:
                raise failures.ProviderFailed(answer.reason)
            case End.EMPTY:
                raise failures.EmptyAnswer(answer.reason)
        if not calls:
            await self._notify(watcher, answer, end)
        elif end in NOT_MADE and _unmade_before(request.messages) >= MAX_UNMADE:
            raise self._failed(answer, end)
        refused = NOT_MADE[end].format(reason=answer.reason) if end in NOT_MADE else ""
        said, *results = await _messages(answer, calls, refused, watcher)
        if answer.answered_by:
            said.response_metadata["answered_by"] = answer.answered_by
        if calls and self._spec.echoes_reasoning:
            said.additional_kwargs |= answer.reasoning()
        return ModelResponse(result=[said, *results])

    async def _stream(self, request: Any, watcher: Watcher) -> Answer:
        answer, loop = Answer(), asyncio.get_running_loop()
        system = [_as_text(request.system_message)] if request.system_message else []
        messages = on_wire([*system, *request.messages])
        if self._spec.handler_name != OFFLINE:  # which only shows results
            messages = tool_data.marked(messages)
        async with (
            asyncio.timeout(self._idle_s) as idle,
            contextlib.aclosing(self._model(request).astream(messages)) as chunks,
        ):
            async for received in chunks:
                chunk = as_chunk(received)
                if chunk is None:
                    continue
                text, thinking = answer.add(chunk)
                if thinking:
                    await watcher.think(thinking)
                if text:
                    await watcher.say(text)
                if idle.expired():  # its cancellation got lost on the way
                    raise TimeoutError
                idle.reschedule(loop.time() + self._idle_s)
        return answer

    def _model(self, request: Any) -> Any:
        """Return the model with its tools; the description of the same tools is made once."""
        if request.model_settings or not request.tools:
            settings = request.model_settings
            options = {**self._binding, **settings}
            bound = request.model.bind_tools(request.tools, **options) if request.tools else request.model
            return bound if request.tools or not settings else bound.bind(**settings)
        if self._bound is None or self._bound[0] is not request.tools:
            self._bound = (request.tools, request.model.bind_tools(request.tools, **self._binding))
        return self._bound[1]

    async def _notify(self, watcher: Watcher, answer: Answer, end: End) -> None:
        """Tell the reader why an answer is not whole; raises RunFailed when there is none."""
        if end not in NOTICES:
            return
        if not answer.text.strip():
            raise self._failed(answer, end)
        code, text = NOTICES[end]
        await watcher.notice(code, text.format(reason=answer.reason))

    def _failed(self, answer: Answer, end: End) -> RunFailed:
        model = f"the model {self._spec.name!r} of {self._spec.provider}"
        if end is End.CUT:
            return RunFailed(
                f"The limit of tokens ({answer.reason}) was reached by {model} before it had answered: "
                "raise LLM_MAX_TOKENS, or ask for less.",
                code="model_cut",
            )
        return RunFailed(
            f"The provider's filter let nothing of {model} pass ({answer.reason}): rephrase the message.",
            code="model_filtered",
        )


async def _messages(answer: Answer, calls: list[Call], refused: str, watcher: Watcher) -> list[AnyMessage]:
    ids = [watcher.new_call_id() for _ in calls]
    said = AIMessage(
        untrusted.clean(answer.text),
        id=str(uuid.uuid4()),  # providers repeat theirs, and a message replaces an earlier one of its id
        tool_calls=[
            {"id": id_, "name": call.name, "args": call.arguments} for id_, call in zip(ids, calls, strict=True)
        ],
        usage_metadata=answer.usage,
        response_metadata={"finish_reason": answer.reason},
        additional_kwargs={PROVIDER_IDS: {id_: call.provider_id for id_, call in zip(ids, calls, strict=True)}}
        if calls
        else {},
    )
    results: list[AnyMessage] = []
    for id_, call in zip(ids, calls, strict=True):
        if problem := refused or (UNREADABLE.format(problem=call.problem) if call.problem else ""):
            await watcher.tool_started(id_, tool=None, name=call.name, arguments=call.arguments)
            await watcher.tool_finished(id_, status="error", ms=0, result=problem)
            results.append(ToolMessage(problem, tool_call_id=id_, name=call.name, status="error"))
    return [said, *results]


def _unmade_before(messages: list[AnyMessage]) -> int:
    """Return how many answers of this turn ended so that their calls were not made."""
    count = 0
    for message in reversed(messages):
        if message.type == "human":
            break
        if isinstance(message, AIMessage) and message.tool_calls:
            count += REASONS.get(str(message.response_metadata.get("finish_reason", "")).lower()) in NOT_MADE
    return count


def on_wire(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with the provider's own ids of calls, where those are there once."""
    messages = _with_one_result_each(messages)
    theirs: dict[str, str] = {}
    for message in messages:
        if isinstance(message, AIMessage):
            theirs |= message.additional_kwargs.get(PROVIDER_IDS, {})
    counted = Counter(theirs.values())
    wanted = {ours: id_ for ours, id_ in theirs.items() if id_ and counted[id_] == 1}
    asked_at = max((n for n, message in enumerate(messages) if message.type == "human"), default=0)
    renamed = [_renamed(message, wanted) for message in messages] if wanted else messages
    return [_without_reasoning(message) if n < asked_at else message for n, message in enumerate(renamed)]


def _as_text(system: AnyMessage) -> AnyMessage:
    """Return a system message as one text: middleware adds blocks to it, which many servers refuse there."""
    return system.model_copy(update={"content": str(system.text)}) if isinstance(system.content, list) else system


def _with_one_result_each(messages: list[AnyMessage]) -> list[AnyMessage]:
    """Return the messages with the first result of each call: two limits that a call exceeds give it two."""
    seen: set[str] = set()
    kept: list[AnyMessage] = []
    for message in messages:
        if isinstance(message, ToolMessage):
            if message.tool_call_id in seen:
                continue
            seen.add(message.tool_call_id)
        kept.append(message)
    return kept if len(kept) < len(messages) else messages


def _without_reasoning(message: AnyMessage) -> AnyMessage:
    """Return a message of an earlier turn without what the model thought, which is wanted back within a turn only."""
    if not REASONING.intersection(message.additional_kwargs):
        return message
    kept = {name: value for name, value in message.additional_kwargs.items() if name not in REASONING}
    return message.model_copy(update={"additional_kwargs": kept})


def _renamed(message: AnyMessage, ids: dict[str, str]) -> AnyMessage:
    if isinstance(message, ToolMessage):
        return message.model_copy(update={"tool_call_id": ids.get(message.tool_call_id, message.tool_call_id)})
    if isinstance(message, AIMessage) and message.tool_calls:
        calls = [{**call, "id": ids.get(str(call["id"]), call["id"])} for call in message.tool_calls]
        return message.model_copy(update={"tool_calls": calls})
    return message
