"""Asks a real client library's chat model through the middleware around model calls, without an agent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool

from aiops.agent.middleware.concessions import Concessions
from aiops.agent.middleware.model_call import ModelCall
from aiops.agent.middleware.model_retry import ModelRetry
from aiops.errors import RunFailed
from aiops.llm import clients
from aiops.settings import Settings
from tests.models import spec_at


async def _look(**arguments: Any) -> str:
    raise NotImplementedError


TOOL = StructuredTool(
    name="look", description="Look.", args_schema={"type": "object", "properties": {}}, coroutine=_look
)


@dataclass
class Watcher:
    """Keeps what a reader would see."""

    said: str = ""
    thought: str = ""
    notices: list[tuple[str, str]] = field(default_factory=list)
    discarded: list[str] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)

    def new_call_id(self) -> str:
        return f"ours{next(self._ids)}"

    async def say(self, text: str) -> None:
        self.said += text

    async def think(self, text: str) -> None:
        self.thought += text

    async def notice(self, code: str, text: str) -> None:
        self.notices.append((code, text))

    async def model_call_failed(self, reason: str) -> None:
        self.discarded.append(reason)
        self.said = ""

    async def tool_started(self, call_id: str, *, name: str, **_: Any) -> None:
        self.refused.append((call_id, name))

    def tool_called(self, call_id: str, made: Any) -> None: ...

    async def tool_finished(self, call_id: str, **_: Any) -> None:
        """The refusal itself is the tool message."""


@dataclass
class Asked:
    """What came of one model call."""

    watcher: Watcher
    message: AIMessage | None = None
    results: list[ToolMessage] = field(default_factory=list)
    error: RunFailed | None = None

    @property
    def made(self) -> list[tuple[str, Any]]:
        """The calls that would be made: name and arguments."""
        answered = {result.tool_call_id for result in self.results}
        calls = self.message.tool_calls if self.message else []
        return [(call["name"], call["args"]) for call in calls if call["id"] not in answered]


async def ask(
    provider: str,
    url: str,
    *,
    messages: Sequence[AnyMessage] = (),
    tools: Sequence[Any] = (TOOL,),
    idle_s: float = 5,
    tries: int = 1,
    echo: bool = False,
    lacks: frozenset[str] = frozenset(),
) -> Asked:
    """Make one model call and return what came of it."""
    spec = spec_at(provider, url, key="k", echoes_reasoning=echo, lacks=lacks)
    client = await clients.make(spec, Settings(), timeout_s=idle_s)
    watcher = Watcher()
    runtime: Any = SimpleNamespace(context=watcher)
    request: Any = ModelRequest(
        model=client.model,
        messages=list(messages or [HumanMessage("which host?")]),
        tools=list(tools),
        runtime=runtime,
    )
    handler: Any = None
    for middleware in (ModelCall(spec, idle_s=idle_s), Concessions(), ModelRetry(spec, tries=tries)):
        handler = partial(middleware.awrap_model_call, handler=handler)
    try:
        response: ModelResponse[Any] = await handler(request)
    except RunFailed as error:
        return Asked(watcher, error=error)
    finally:
        await client.handler.aclose(client.model)
    said, *results = response.result
    assert isinstance(said, AIMessage)
    return Asked(watcher, said, [result for result in results if isinstance(result, ToolMessage)])
