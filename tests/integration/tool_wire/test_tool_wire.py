"""Calls over every real transport, to servers that say what the specification allows and what it does not."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aiops.tool_servers.client import server as server_module
from aiops.tool_servers.client.errors import ToolTimeout
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Progress, Protocol, RemoteTool, ServerSpec, ToolResult
from tests.integration.tool_wire import wire_server
from tests.integration.tool_wire.cases import CASES, SEEN, Case

LONG_S = 60.0
"""Far beyond what a call may take here: what needs it has waited."""
KINDS = ("stdio", "json", "events", "sse")


@dataclass
class Wire:
    """A pool with one server, and what that server says."""

    pool: ToolPool
    file: Path
    http: wire_server.WireServer
    kind: str

    def say(self, **said: Any) -> None:
        self.http.said = said
        self.file.with_suffix(".next").write_text(json.dumps(said))
        self.file.with_suffix(".next").replace(self.file)

    async def tools(self) -> dict[str, RemoteTool]:
        catalogue = await self.pool.catalogue()
        assert not catalogue.missing, catalogue.missing
        return {tool.remote_name: tool for tool in catalogue.tools}

    async def call(self, name: str = "first", arguments: dict[str, Any] | None = None, **options: Any) -> ToolResult:
        async with asyncio.timeout(LONG_S / 2):
            return await self.pool.call((await self.tools())[name], arguments or {}, **options)


@pytest.fixture
def http() -> Iterator[wire_server.WireServer]:
    with wire_server.serving() as server:
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def limits() -> CallLimits:
    return CallLimits(LONG_S, LONG_S)


@pytest.fixture
async def wire(kind: str, http: wire_server.WireServer, tmp_path: Path, limits: CallLimits) -> AsyncIterator[Wire]:
    file = tmp_path / "said"
    specs = {
        "stdio": ServerSpec("w", command=sys.executable, args=(wire_server.__file__, str(file)), handshake_s=LONG_S),
        "json": ServerSpec("w", protocol=Protocol.HTTP, url=f"{http.url}/json"),
        "events": ServerSpec("w", protocol=Protocol.HTTP, url=f"{http.url}/events"),
        "sse": ServerSpec("w", protocol=Protocol.SSE, url=f"{http.url}/sse"),
    }
    made = Wire(ToolPool([specs[kind]], limits=limits), file, http, kind)
    made.say(result=SEEN)
    made.pool.start()
    yield made
    await made.pool.stop()


async def test_every_answer_of_a_server_reaches_the_model(wire: Wire) -> None:
    """One session for all of them: none may harm the next."""
    session = wire.pool.servers["w"]
    wrong: dict[str, Any] = {}
    for case in CASES:
        wire.say(**case.said)
        try:
            seen = await wire.call()
        except TimeoutError:
            seen = ToolResult("it was never answered")
        if seen != ToolResult(case.text, failed=case.failed):
            wrong[case.name] = (seen.text[:300], seen.failed)
    assert wrong == {}
    assert session.connected


HOSTILE: dict[str, Any] = {
    "config": {"a": 1},
    "runtime": "r",
    "run_manager": None,
    "self": [1, None],
    "callbacks": "c",
    "tool_call_id": 7,
    "state": {"nested": {"none": None}},
    "größe": "ü",
}


async def test_every_argument_arrives_as_the_model_wrote_it(wire: Wire) -> None:
    wire.say(echo=True)
    assert json.loads((await wire.call(arguments=HOSTILE)).text) == HOSTILE


async def test_half_a_character_in_an_argument_harms_no_session(wire: Wire) -> None:
    wire.say(echo=True)
    halves = {"a": "x\ud83d", "b\udc00": ["\ud83d\ude00"]}
    assert json.loads((await wire.call(arguments=halves)).text) == {"a": "x�", "b�": ["😀"]}
    assert wire.pool.servers["w"].connected


async def test_an_invalid_answer_to_one_call_leaves_the_other_alone(wire: Wire) -> None:
    cut = {"raw": '{"jsonrpc":"2.0","id":ID,"result":{', "filler": 0}
    wire.say(by_tool={"first": cut, "second": {"result": SEEN}}, pause=0.05)
    first, second = await asyncio.gather(wire.call("first"), wire.call("second"))
    assert first.failed
    assert second == ToolResult("eth0 is up")


async def test_a_server_without_ping_stays_in_use(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "PING_S", 0.02)
    wire.say(result=SEEN, no_ping=True)
    await wire.tools()
    session = wire.pool.servers["w"]._session
    await asyncio.sleep(0.5)
    assert wire.pool.servers["w"]._session is session
    assert await wire.call() == ToolResult("eth0 is up")


CHANGING = [{"name": "first", "inputSchema": {"type": "object", "properties": {}}}]


@pytest.mark.parametrize("kind", ["json", "events"], indirect=True)
async def test_a_call_to_a_server_that_has_forgotten_its_session_is_made_over_a_new_one(wire: Wire) -> None:
    """It has not begun, so that a tool that changes something may be called again, too."""
    wire.say(result=SEEN, tools=CHANGING)
    assert not (await wire.tools())["first"].read_only
    for _ in range(2):
        wire.http.forgets = "tools/call"
        assert await wire.call() == ToolResult("eth0 is up")
    asked = [one["params"]["name"] for one in wire.http.requests if one["method"] == "tools/call"]
    assert asked == ["first", "first"], "a call was made twice"


@pytest.mark.parametrize("kind", ["json", "events"], indirect=True)
async def test_a_server_that_has_forgotten_its_session_is_connected_again(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "PING_S", 0.02)
    await wire.tools()
    before = wire.pool.servers["w"]._session
    wire.http.forgets = "ping"
    async with asyncio.timeout(LONG_S):
        while wire.pool.servers["w"]._session in (before, None):
            await asyncio.sleep(0.02)
    assert await wire.call() == ToolResult("eth0 is up")


PROGRESS = '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":TOKEN,%s}}'
NEWS = [
    PROGRESS % '"progress":1,"total":4,"message":"asking switch 1"',
    PROGRESS % '"progress":"much"',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"of another","progress":9}}',
    PROGRESS % '"progress":2.5',
]


@pytest.mark.parametrize("kind", ["stdio", "events", "sse"], indirect=True)
async def test_progress_is_reported_as_the_server_says_it(wire: Wire) -> None:
    seen: list[Progress] = []
    wire.say(result=SEEN, before=NEWS)
    assert await wire.call(on_progress=seen.append) == ToolResult("eth0 is up")
    assert seen == [Progress(1, 4, "asking switch 1"), Progress(2.5)]


@pytest.mark.parametrize("kind", ["stdio", "events", "sse"], indirect=True)
@pytest.mark.parametrize("limits", [CallLimits(1.0, LONG_S)])
async def test_progress_extends_the_time_of_a_call(wire: Wire) -> None:
    wire.say(result=SEEN, before=[PROGRESS % f'"progress":{n}' for n in range(8)], pause=0.3)
    begun = time.monotonic()
    assert await wire.call() == ToolResult("eth0 is up")
    assert time.monotonic() - begun > 2


@pytest.mark.parametrize("kind", ["stdio", "events", "sse"], indirect=True)
@pytest.mark.parametrize("limits", [CallLimits(1.0, 1.5)])
async def test_progress_without_end_is_given_up_in_all(wire: Wire) -> None:
    wire.say(silent=True, before=[PROGRESS % f'"progress":{n}' for n in range(12)], pause=0.3)
    with pytest.raises(ToolTimeout, match=r"within 1\.5 s in all"):
        await wire.call()
    wire.say(result=SEEN)
    assert await wire.call() == ToolResult("eth0 is up")


@pytest.mark.parametrize("kind", ["events"], indirect=True)
@pytest.mark.parametrize("limits", [CallLimits(0.3, 0.3)])
async def test_a_server_learns_that_its_call_was_given_up(wire: Wire) -> None:
    wire.say(silent=True)
    with pytest.raises(ToolTimeout, match=r"within 0\.3 s"):
        await wire.call()
    (asked,) = (one["id"] for one in wire.http.requests if one["method"] == "tools/call")
    async with asyncio.timeout(LONG_S):
        while not any(one["method"] == "notifications/cancelled" for one in wire.http.requests):
            await asyncio.sleep(0.02)
    (said,) = (one for one in wire.http.requests if one["method"] == "notifications/cancelled")
    assert said["params"]["requestId"] == asked


def test_the_table_has_each_case_once() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(isinstance(case, Case) for case in CASES)
