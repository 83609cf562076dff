"""How looks at the health of tool servers come to be believed, and what the job says of them."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from django.db import DataError
from django.db.models.functions import Now
from pydantic import SecretStr

from aiops import keyspace
from aiops.events.redaction import Redactor
from aiops.llm import reachability
from aiops.llm.models import ProviderHealth
from aiops.tool_servers import health, uptime
from aiops.tool_servers import jobs as job
from aiops.tool_servers.client.values import Health, Offered
from aiops.tool_servers.health import CheckOutcome
from aiops.tool_servers.models import HealthHour, MCPServer
from aiops.tool_servers.offers import cleaned
from tests.integration.tool_servers.rows import Status, add, command, lab
from tests.ports import free_port


def looked(row: MCPServer, problem: str = "") -> str:
    row.refresh_from_db()
    noted = health.record(row, Health(problem))
    row.refresh_from_db()
    return noted


def test_a_changed_status_is_believed_when_two_more_health_checks_agree() -> None:
    row = add()
    assert [looked(row, "refused"), row.status, row.suspected] == ["suspected", "healthy", "failed"]
    assert [looked(row, "refused"), row.status] == ["suspected", "healthy"]
    assert [looked(row, "refused"), row.status, row.problem] == ["changed", "failed", "refused"]
    assert [looked(row), looked(row), looked(row), row.status] == ["suspected", "suspected", "changed", "healthy"]


def test_the_checks_of_each_hour_are_counted_and_shown() -> None:
    row, other = add(), add("other")
    for problem in ("", "", "It is down.", ""):
        row.refresh_from_db()
        health.record(row, Health(problem))
    strips = uptime.strips([row.pk, other.pk])
    assert strips[row.pk].bars[-1].state in ("partly", "none")  # the hour may have changed meanwhile
    assert (strips[row.pk].share, strips[other.pk].share) == (0.75, None)
    assert strips[row.pk].words == "well in 75 % of the checks of the last 48 hours"
    HealthHour.objects.update(hour=Now() - uptime.KEPT - uptime.HOUR)
    uptime.forget_old()
    assert HealthHour.objects.count() == 0


def test_a_server_that_flaps_keeps_its_status() -> None:
    row = add()
    for problem in ("refused", "refused", "", "refused", "refused", ""):
        assert looked(row, problem) != "changed"
    assert (row.status, row.suspected) == ("healthy", "")


def test_a_health_check_does_not_overwrite_what_somebody_changed_meanwhile() -> None:
    row = add(suspected="failed", confirmations=1)
    MCPServer.objects.filter(pk=row.pk).update(status=Status.MAINTENANCE)
    assert health.record(row, Health("refused")) == "overtaken"
    row.refresh_from_db()
    assert row.status == "maintenance"


def test_health_checks_of_a_server_at_the_same_time_count_once() -> None:
    row = add(suspected="failed")
    first, second = (MCPServer.objects.get(pk=row.pk) for _ in range(2))
    assert [health.record(first, Health("gone")), health.record(second, Health("gone"))] == ["suspected", "overtaken"]


def test_a_clock_that_was_set_back_stops_no_health_check() -> None:
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
    assert job.check_health(lab(llm_type="offline"))["checked_count"] == 2
    for row in rows:
        row.refresh_from_db()
    ((tool,), problem) = rows[0].tools, rows[1].problem
    assert len(tool["name"]) <= 100
    assert len(tool["description"]) <= 300
    for text in (tool["name"], tool["description"], problem):
        assert "\0" not in text
        assert "AKIAAAAA" not in text
    assert "nul" in problem


def test_the_schema_of_a_tool_is_stored_without_secrets_and_nul() -> None:
    schema = {"properties": {"a\0": {"description": "AKIA" + "A" * 16}}}
    row = add()
    health.record(row, cleaned(Health(tools=(Offered("x", "", True, parameters=schema),)), Redactor()))
    row.refresh_from_db()
    assert list(row.tools[0]["parameters"]["properties"]) == ["a\ufffd"]
    assert "AKIAAAAA" not in str(row.tools)


def test_each_tool_server_that_is_due_is_checked_once_and_others_are_not() -> None:
    add("a")
    add("b", status=Status.UNKNOWN)
    add("c", status=Status.MAINTENANCE)
    add("d", status=Status.VULNERABLE)
    later = add("e")
    MCPServer.objects.filter(pk=later.pk).update(look_at=Now() + timedelta(seconds=30))
    assert {row.name for row in health.take_due()} == {"a", "b"}
    assert health.take_due() == []


def test_the_health_job_shakes_hands_confirms_without_waiting_and_notifies_workers(
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
        summaries.append(job.check_health(lab(llm_type="offline")))
    for row in (well, away, alone):
        row.refresh_from_db()
    assert [row.status for row in (well, away, alone)] == ["healthy", "failed", "maintenance"]
    assert {tool["name"]: tool["read_only"] for tool in well.tools or ()}["look"] is True
    assert away.problem.startswith("It cannot be reached")
    assert alone.checked_at is None
    counts = {"checked_count": 2, "failed_count": 1, "providers_checked": 0, "providers_unreachable": 0}
    assert summaries[0] == {**counts, "changed_count": 0, "cache_cleared": 1}, "its tools were listed"
    assert summaries[1] == {**counts, "changed_count": 0, "cache_cleared": 0}
    assert summaries[2] == {**counts, "changed_count": 2, "cache_cleared": 1}
    assert asked == [("tool_servers", 5)] * 2
    messages = [message for _ in range(5) if (message := channel.get_message(timeout=1))]
    sent = [message["data"] for message in messages if message["type"] == "message"]
    assert sent == [keyspace.control(keyspace.TOOLS).encode()] * 2


@pytest.mark.usefixtures("asked")
def test_a_row_that_nobody_can_use_fails_by_itself_and_says_why(tmp_path: Path) -> None:
    well = command("well", tmp_path, status=Status.UNKNOWN)
    bad = add("bad")
    MCPServer.objects.filter(pk=bad.pk).update(headers=["not", "an", "object"])
    for _ in range(3):
        MCPServer.objects.update(look_at=Now())
        assert job.check_health(lab(llm_type="offline"))["checked_count"] == 2
    for row in (well, bad):
        row.refresh_from_db()
    assert (well.status, bad.status) == ("healthy", "failed")
    assert bad.problem.startswith("Its row is wrong: headers: An object")


@pytest.mark.usefixtures("asked")
def test_a_check_that_cannot_be_noted_is_marked_and_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [command(name, tmp_path) for name in ("first", "second")]
    record = health.record

    def refuse(row: MCPServer, seen: Health) -> CheckOutcome:
        if row.name == "first" and seen.tools is not None:
            raise DataError("no table takes this")
        return record(row, seen)

    monkeypatch.setattr(health, "record", refuse)
    assert job.check_health(lab(llm_type="offline"))["checked_count"] == 2
    for row in rows:
        row.refresh_from_db()
        assert row.checked_at is not None
    assert rows[0].problem == "Its answer cannot be stored (DataError)."


@pytest.mark.usefixtures("asked")
def test_a_provider_whose_check_breaks_does_not_undo_the_checks_of_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = command("well", tmp_path)

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(reachability, "check", broken)
    settings = lab(llm_type="openai", llm_model="m", providers={"OPENAI_BASE_URL": SecretStr("http://127.0.0.1:9/v1")})
    assert job.check_health(settings)["providers_unreachable"] == 1
    well.refresh_from_db()
    assert well.checked_at is not None
    assert "RuntimeError" in ProviderHealth.objects.get().detail


@pytest.mark.usefixtures("asked")
def test_workers_that_could_not_be_notified_are_not_counted_as_notified(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command("well", tmp_path, status=Status.UNKNOWN, suspected="healthy", confirmations=1)

    def away(*_: Any) -> Any:
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(keyspace, "sync", lambda: SimpleNamespace(publish=away))
    summary = job.check_health(lab(llm_type="offline"))
    assert (summary["changed_count"], summary["cache_cleared"]) == (1, 0)
