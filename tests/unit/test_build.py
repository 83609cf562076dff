"""Runs of the same making share a compiled graph, and nothing else."""

from __future__ import annotations

from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver

from aiops.agent import build
from aiops.agent.values import Limits
from aiops.events.redaction import Redactor
from aiops.tool_servers.client.pool import Catalogue, Missing, ToolPool
from aiops.tool_servers.client.values import CallLimits, RemoteTool, ToolClass, ToolResult
from tests.consent import NobodyAsked
from tests.integration.scripted_model import ScriptedModel, calling, words
from tests.models import client_of

LIMITS = Limits(5, 5, 10, 1, 10, 1_000, 1_000)
TOOL = RemoteTool("t_look", "t", "look", "Look.", {"type": "object", "properties": {}}, tool_class=ToolClass.READ)


class StubWatcher:
    """Remembers which calls it saw."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.consent = NobodyAsked()

    user_id = ""

    def new_call_id(self) -> str:
        return "ours"

    def idempotency_key(self, call_id: str) -> str:
        return call_id

    async def say(self, text: str) -> None:
        """Nobody watches."""

    async def tool_started(self, call_id: str, **_: Any) -> None:
        self.calls.append(call_id)

    def tool_progress(self, call_id: str, progress: Any) -> None:
        """Nobody watches."""

    def tool_called(self, call_id: str, made: Any) -> None:
        pass

    async def tool_finished(self, call_id: str, **_: Any) -> None:
        self.calls.append(f"{call_id} ended")


class StubPool(ToolPool):
    async def call(self, tool: RemoteTool, arguments: dict[str, Any], **_: Any) -> ToolResult:
        return ToolResult("seen")


def test_the_text_of_a_failure_compiles_no_second_graph() -> None:
    client = client_of(ScriptedModel(turns=[]))
    pool, redactor, memory = StubPool([], limits=CallLimits(1, 1)), Redactor(), InMemorySaver()

    def nodes(server: str, reason: str) -> Any:
        catalogue = Catalogue((TOOL,), (Missing(server, reason),))
        given: Any = {"tools": pool, "limits": LIMITS, "redactor": redactor, "memory": memory}
        return build.build(client, catalogue, **given).nodes["model"]

    first = nodes("netbox", "ConnectError: attempt 1")
    assert nodes("netbox", "ConnectError: attempt 2") is first
    assert nodes("other", "ConnectError: attempt 1") is not first, "the prompt names who is missing"


async def test_each_run_sees_its_own_tool_calls_alone() -> None:
    turns = [calling(TOOL.name, "{}"), words("done"), words("hello")]
    client = client_of(ScriptedModel(turns=turns))
    pool, redactor = StubPool([], limits=CallLimits(1, 1)), Redactor()
    watchers = [StubWatcher(), StubWatcher()]
    agents = [
        build.build(
            client,
            Catalogue((TOOL,), ()),
            tools=pool,
            limits=LIMITS,
            redactor=redactor,
            memory=InMemorySaver(),
        )
        for _ in watchers
    ]
    assert agents[0].nodes["model"] is agents[1].nodes["model"]
    assert agents[0].checkpointer is not agents[1].checkpointer
    for agent, watcher in zip(agents, watchers, strict=True):
        config: Any = {"configurable": {"thread_id": "x"}}
        given: Any = {"messages": [HumanMessage("hi")]}
        async for _ in agent.astream(given, config, context=watcher, stream_mode="updates"):
            pass
    assert [watcher.calls for watcher in watchers] == [["ours", "ours ended"], []]
