"""How looks at the health of tool servers come to be believed, and what the job says of them."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now

from aiops import keyspace
from aiops.registry import health
from aiops.registry.models import MCPServer
from aiops.tools.values import Health
from aiops.upkeep.jobs import tool_servers as job
from config.valkey import free_port
from tests.integration.registry.rows import Status, add, command, lab


def looked(row: MCPServer, problem: str = "") -> str:
    row.refresh_from_db()
    noted = health.note(row, Health(problem))
    row.refresh_from_db()
    return noted


def test_a_changed_status_is_believed_when_two_more_looks_agree() -> None:
    row = add()
    assert [looked(row, "refused"), row.status, row.suspected] == ["suspected", "healthy", "failed"]
    assert [looked(row, "refused"), row.status] == ["suspected", "healthy"]
    assert [looked(row, "refused"), row.status, row.problem] == ["changed", "failed", "refused"]
    assert [looked(row), looked(row), looked(row), row.status] == ["suspected", "suspected", "changed", "healthy"]


def test_a_server_that_flaps_keeps_its_status() -> None:
    row = add()
    for problem in ("refused", "refused", "", "refused", "refused", ""):
        assert looked(row, problem) != "changed"
    assert (row.status, row.suspected) == ("healthy", "")


def test_what_somebody_changed_meanwhile_is_not_overwritten_by_a_look() -> None:
    row = add(suspected="failed", confirmations=1)
    MCPServer.objects.filter(pk=row.pk).update(status=Status.MAINTENANCE)
    assert health.note(row, Health("refused")) == "overtaken"
    row.refresh_from_db()
    assert row.status == "maintenance"


def test_looks_at_the_same_time_count_once() -> None:
    row = add(suspected="failed")
    first, second = (MCPServer.objects.get(pk=row.pk) for _ in range(2))
    assert [health.note(first, Health("gone")), health.note(second, Health("gone"))] == ["suspected", "overtaken"]


def test_a_clock_that_was_set_back_stops_no_look() -> None:
    row = add()
    MCPServer.objects.filter(pk=row.pk).update(look_at=Now() + timedelta(hours=1))
    assert [one.name for one in health.take_due()] == ["netbox"]


HOSTILE = """
import sys
from mcp.server.fastmcp import FastMCP
from mcp.types import Tool
server = FastMCP("hostile", log_level="ERROR")
@server._mcp_server.list_tools()
async def listed():
    if len(sys.argv) > 1:
        raise RuntimeError("nul \\0 and AKIA" + "A" * 16)
    return [Tool(name="x" * 10_000 + "\\0", description="nul \\0, AKIA" + "A" * 16 + "z" * 9_999, inputSchema={})]
server.run()
"""


@pytest.mark.usefixtures("asked")
def test_what_a_hostile_server_says_is_cut_and_cleaned_and_stops_nobody() -> None:
    command = {"protocol": "stdio", "url": "", "command": sys.executable}
    rows = [add("a", args=["-c", HOSTILE], **command), add("b", args=["-c", HOSTILE, "fail"], **command)]
    assert job.work(lab(llm_type="offline"))["checked_count"] == 2
    for row in rows:
        row.refresh_from_db()
    ((tool,), problem) = rows[0].tools, rows[1].problem
    assert len(tool["name"]) <= 100
    assert len(tool["description"]) <= 300
    for text in (tool["name"], tool["description"], problem):
        assert "\0" not in text
        assert "AKIAAAAA" not in text
    assert "nul" in problem


def test_each_server_that_is_due_is_taken_once_and_some_are_left_alone() -> None:
    add("a")
    add("b", status=Status.UNKNOWN)
    add("c", status=Status.MAINTENANCE)
    add("d", status=Status.VULNERABLE)
    later = add("e")
    MCPServer.objects.filter(pk=later.pk).update(look_at=Now() + timedelta(seconds=30))
    assert {row.name for row in health.take_due()} == {"a", "b"}
    assert health.take_due() == []


def test_the_job_shakes_hands_confirms_without_waiting_and_tells_workers(
    tmp_path: Path, asked: list[tuple[str, int]]
) -> None:
    well = command("well", tmp_path, status=Status.UNKNOWN)
    away = add("away", url=f"http://127.0.0.1:{free_port()}/mcp")
    alone = add("alone", url=f"http://127.0.0.1:{free_port()}/mcp", status=Status.MAINTENANCE)
    channel = keyspace.sync().pubsub()
    channel.subscribe(keyspace.CONTROL)
    summaries = []
    for _ in range(3):
        MCPServer.objects.update(look_at=Now())
        summaries.append(job.work(lab(llm_type="offline")))
    for row in (well, away, alone):
        row.refresh_from_db()
    assert [row.status for row in (well, away, alone)] == ["healthy", "failed", "maintenance"]
    assert {tool["name"]: tool["read_only"] for tool in well.tools or ()}["look"] is True
    assert away.problem.startswith("ConnectError")
    assert alone.checked_at is None
    counts = {"checked_count": 2, "failed_count": 1, "providers_checked": 0, "providers_unreachable": 0}
    assert summaries[0] == summaries[1] == {**counts, "changed_count": 0, "cache_cleared": 0}
    assert summaries[2] == {**counts, "changed_count": 2, "cache_cleared": 1}
    assert asked == [("tool_servers", 5)] * 2
    told = [message for _ in range(5) if (message := channel.get_message(timeout=1))]
    assert [message["data"] for message in told if message["type"] == "message"] == [keyspace.TOOLS.encode()]
