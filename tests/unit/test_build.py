"""Runs of the same making share a compiled graph, and nothing else."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from aiops.agent import build
from aiops.agent.llm import handlers
from aiops.agent.values import Limits, ModelSpec
from aiops.events.redaction import Redactor
from aiops.tools.pool import Catalogue, ToolPool
from aiops.tools.values import RemoteTool, ToolResult

LIMITS = Limits(5, 5, 10, 1, 10, 1_000, 1_000)
TOOL = RemoteTool("t_look", "t", "look", "Look.", {"type": "object", "properties": {}}, read_only=True)
CALL = {"name": "t_look", "args": {}, "id": "c1"}


class StubWatcher:
    """Remembers which calls it was told of."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def tool_started(self, call_id: str, **_: Any) -> None:
        self.calls.append(call_id)

    async def tool_finished(self, call_id: str, **_: Any) -> None:
        self.calls.append(f"{call_id} ended")


class StubPool(ToolPool):
    async def call(self, tool: RemoteTool, arguments: dict[str, Any]) -> ToolResult:
        return ToolResult("seen")


class CallingModel(GenericFakeChatModel):
    def bind_tools(self, tools: Any, **_: Any) -> CallingModel:
        return self


async def test_each_run_is_told_of_its_own_calls_alone(monkeypatch: Any) -> None:
    answers = iter([AIMessage("", tool_calls=[CALL]), AIMessage("done"), AIMessage("hello")])
    monkeypatch.setattr(handlers, "make", lambda spec, timeout_s: CallingModel(messages=answers))
    pool, redactor = StubPool([], timeout_s=1), Redactor()
    watchers = [StubWatcher(), StubWatcher()]
    agents = [
        build.build(
            ModelSpec("stub", "stub", reason=reason),
            Catalogue((TOOL,), ()),
            tools=pool,
            watcher=watcher,
            limits=LIMITS,
            redactor=redactor,
            memory=InMemorySaver(),
        )
        for reason, watcher in zip(("default", "asked for"), watchers, strict=True)
    ]
    assert agents[0].graph.nodes["model"] is agents[1].graph.nodes["model"]
    assert agents[0].graph.checkpointer is not agents[1].graph.checkpointer
    for agent in agents:
        config = {"configurable": {"thread_id": "x"}}
        async for _ in agent.astream({"messages": [HumanMessage("hi")]}, config, stream_mode="updates"):
            pass
    assert [watcher.calls for watcher in watchers] == [["c1", "c1 ended"], []]
