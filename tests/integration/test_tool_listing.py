"""What tool servers that others wrote list: a bad tool harms only itself, and everybody sees why."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.utils.function_calling import convert_to_openai_tool

from aiops.agent import build
from aiops.tool_servers.client import listing, probe
from aiops.tool_servers.client.pool import Catalogue, ToolPool
from aiops.tool_servers.client.values import CallLimits, Health, ServerSpec

RAW = Path(__file__).parent / "raw_tool_server.py"
GOOD = {"name": "good", "description": "Good.", "inputSchema": {"type": "object", "properties": {}}}


def tool(name: str, properties: dict[str, Any], **schema: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties, **schema}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


BAD = {
    "remote": (tool("remote", {"at": {"$ref": "https://geojson.org/schema/Point.json"}}), "geojson.org"),
    "anchor": (tool("anchor", {"at": {"$ref": "#here"}, "b": {"$anchor": "here"}}), "#here"),
    "dangling": (tool("dangling", {"at": {"$ref": "#/$defs/x"}}), "#/$defs/x"),
    "deep": (tool("deep", {"at": nested(150)}), "levels deep"),
    "huge": (tool("huge", {"at": {"description": "x" * 1_500_000}}), "64,000 bytes"),
    "named-ref": (tool("named-ref", {"$ref": {"type": "string"}}), "cannot be converted"),
    "task": ({**tool("task", {}), "execution": {"taskSupport": "required"}}, "only as a task"),
    "null": ({"name": "null", "inputSchema": None}, "dict"),
    "": ({"inputSchema": {"type": "object"}}, "name"),
}
Raw = Callable[..., ServerSpec]


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    """Makes a server that says what it is given; its file can be written again."""

    def make(name: str = "raw", **said: Any) -> ServerSpec:
        (tmp_path / "next").write_text(json.dumps(said))
        (tmp_path / "next").replace(tmp_path / name)  # the server reads it whole, the old one or the new one
        return ServerSpec(name, command=sys.executable, args=(str(RAW), str(tmp_path / name)), handshake_s=60)

    return make


@pytest.fixture
async def opened() -> AsyncIterator[Callable[..., ToolPool]]:
    """Starts pools, and ends them."""
    pools: list[ToolPool] = []

    def start(*specs: ServerSpec) -> ToolPool:
        pools.append(ToolPool(specs, limits=CallLimits(60, 60)))
        pools[-1].start()
        return pools[-1]

    yield start
    for one in pools:
        await one.stop()


async def test_a_tool_that_no_model_can_be_given_is_refused_by_name_and_the_others_serve(
    raw: Raw, opened: Callable[..., ToolPool]
) -> None:
    spec = raw(pages=[[GOOD, *(one for one, _ in BAD.values()), {**GOOD, "name": "last"}, {**GOOD, "name": "last"}]])
    running = opened(spec)
    catalogue = await running.catalogue()
    assert [one.name for one in catalogue.tools] == ["raw_good", "raw_last"], catalogue.missing
    for one in catalogue.tools:
        assert convert_to_openai_tool(build.as_langchain(one))["function"]["name"] == one.name
    (seen,) = await probe.check_async([spec])
    assert seen.problem == ""
    offered = seen.tools or ()
    assert [one.name for one in offered if not one.problem] == ["good", "last"]
    refused = {one.name: one.problem for one in offered if one.problem}
    assert set(refused) == {*(name[:100] for name in BAD), "last"}
    for name, (_, why) in BAD.items():
        assert why in refused[name]
    assert "twice" in refused["last"]


async def test_a_list_without_end_is_cut_alike_for_the_registry_and_for_runs(
    raw: Raw, opened: Callable[..., ToolPool]
) -> None:
    spec = raw(pages=[[GOOD], [{**GOOD, "name": "more"}]], endless=True)
    assert {one.name for one in (await opened(spec).catalogue()).tools} == {"raw_good", "raw_more"}
    (seen,) = await probe.check_async([spec])
    assert (seen.problem, [one.name for one in seen.tools or () if not one.problem]) == ("", ["good", "more"])


async def test_more_tools_than_a_model_takes_are_refused_by_name_and_counted_alike(
    raw: Raw, opened: Callable[..., ToolPool]
) -> None:
    many = [{**GOOD, "name": f"t{n}"} for n in range(listing.MAX_TOOLS + 3)]
    spec = raw(pages=[many[:10], many[10:]])
    assert len((await opened(spec).catalogue()).tools) == listing.MAX_TOOLS
    (seen,) = await probe.check_async([spec])
    offered = seen.tools or ()
    assert len([one for one in offered if not one.problem]) == listing.MAX_TOOLS
    assert {one.name for one in offered if one.problem} == {f"t{listing.MAX_TOOLS + n}" for n in range(3)}


async def test_the_schemas_of_one_server_are_bounded_together(raw: Raw, opened: Callable[..., ToolPool]) -> None:
    big = {"at": {"description": "x" * 60_000}}
    spec = raw(pages=[[tool(f"big{n}", big) for n in range(20)] + [GOOD]])
    tools = (await opened(spec).catalogue()).tools
    assert sum(one.size for one in tools) <= listing.MAX_SERVER_BYTES
    assert "raw_good" in {one.name for one in tools}
    (seen,) = await probe.check_async([spec])
    assert {f"raw_{one.name}" for one in seen.tools or () if not one.problem} == {one.name for one in tools}


async def test_names_that_no_provider_takes_are_mapped_and_shown_as_they_are(
    raw: Raw, opened: Callable[..., ToolPool]
) -> None:
    names = ["net.look", "net_look", "net/look", "größe", "long" * 20, "long" * 19 + "lang", "with space"]
    spec = raw(pages=[[{**GOOD, "name": name} for name in names]], result={"content": [], "structuredContent": 1})
    running = opened(spec)
    tools = (await running.catalogue()).tools
    assert [one.remote_name for one in tools] == names
    assert len({one.name for one in tools}) == len(names)
    for one in tools:
        assert re.fullmatch("raw_[A-Za-z0-9_-]{1,60}", one.name), one.name
        assert (await running.call(one, {})).text == "1"
    assert tools[1].name == "raw_net_look", "a name that providers take stays"
    (seen,) = await probe.check_async([spec])
    assert [(one.name, one.problem) for one in seen.tools or ()] == [(name, "") for name in names]


async def test_a_description_reaches_models_as_plain_text_and_people_as_it_was_sent(
    raw: Raw, opened: Callable[..., ToolPool]
) -> None:
    sent = "Good.\x1b[2J\x07 ![x](https://evil.example/?q=) \ud83d"
    spec = raw(pages=[[{**GOOD, "description": sent}]])
    (tool,) = (await opened(spec).catalogue()).tools
    assert tool.description == "Good. [image: x] \ufffd"
    assert tool.definition["description"] == sent.replace("\ud83d", "\ufffd")


async def test_a_busy_tool_server_lists_its_tools_again(
    raw: Raw, opened: Callable[..., ToolPool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.server.PING_S", 0.05)
    spec = raw(pages=[[GOOD]], seconds=3_600)
    running = opened(spec)
    (good,) = (await running.catalogue()).tools
    call = asyncio.create_task(running.call(good, {}))
    server = running.servers["raw"]
    async with asyncio.timeout(60):
        while not server._pending:
            await asyncio.sleep(0.01)
        raw(pages=[[GOOD, {**GOOD, "name": "new"}]], seconds=3_600)
        running.update([spec])
        while "new" not in server.tools:
            await asyncio.sleep(0.01)
    assert not call.done()
    call.cancel()


async def test_a_tool_server_that_says_its_list_changed_is_listed_again(
    raw: Raw, opened: Callable[..., ToolPool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.server.PING_S", 0.05)
    running = opened(raw(pages=[[GOOD]]))
    await running.catalogue()
    raw(pages=[[GOOD, {**GOOD, "name": "new"}]], announces=True)
    async with asyncio.timeout(60):
        while "new" not in running.servers["raw"].tools:
            await asyncio.sleep(0.01)


async def test_an_output_schema_that_others_wrote_is_not_worked_on(raw: Raw, opened: Callable[..., ToolPool]) -> None:
    """A pattern such as this one would hold the loop of a worker for years."""
    pattern = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
    text = {"content": [{"type": "text", "text": "seen"}]}
    hostile = {**text, "structuredContent": {"x": "a" * 64 + "b"}}
    spec = raw(pages=[[{**GOOD, "outputSchema": pattern}]], result=hostile)
    running = opened(spec)
    (good,) = (await running.catalogue()).tools
    assert (await running.call(good, {})).text == "seen\n" + json.dumps(hostile["structuredContent"])
    raw(pages=[[{**GOOD, "outputSchema": pattern}]], result=text)
    assert (await running.call(good, {})).text == "seen"


async def test_a_command_that_is_not_there_is_said_plainly(opened: Callable[..., ToolPool]) -> None:
    spec = ServerSpec("gone", command="no-such-command-here")
    reason = "There is no command 'no-such-command-here': install or correct it."
    assert await probe.check_async([spec]) == [Health(reason)]
    catalogue: Catalogue = await opened(spec).catalogue()
    assert catalogue.missing[0].reason == reason
