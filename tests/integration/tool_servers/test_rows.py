"""Tool servers as rows: what they may be, and who serves."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from aiops.errors import NotFound
from aiops.tool_servers import lifecycle, specs
from aiops.tool_servers.client.values import Protocol
from aiops.tool_servers.environment import BadToolServer, from_environment
from aiops.tool_servers.models import MCPServer
from tests.integration.tool_servers.rows import SETTINGS, Status, add, lab


def test_rows_of_tool_servers_win_over_the_environment_which_counts_in_lab_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer 123")
    add(endpoint="/mcp", headers={"Authorization": "env:AIOPS_SECRET_NETBOX"}, required=True, call_s=7)
    written = {"netbox": {"url": "http://elsewhere/mcp"}, "more": {"url": "http://more/mcp"}}
    netbox, more = specs.configured(lab(tool_servers=written))
    assert (netbox.name, netbox.url, netbox.headers, netbox.required, netbox.call_s, netbox.absent) == (
        "netbox",
        "https://netbox.example.org/mcp",
        (("Authorization", "Bearer 123"),),
        True,
        7.0,
        "",
    )
    assert (more.name, more.url, more.protocol) == ("more", "http://more/mcp", Protocol.HTTP)
    with pytest.raises(BadToolServer, match="only in LAB"):
        from_environment(lab(environment="PROD", tool_servers=written))


@pytest.mark.parametrize(
    ("status", "why"), [("failed", "it failed"), ("maintenance", "maintenance"), ("unknown", "not known")]
)
def test_only_healthy_tool_servers_offer_tools(status: str, why: str) -> None:
    add(status=status)
    assert why in specs.configured(lab())[0].absent


@pytest.mark.parametrize("fields", [{"headers": []}, {"args": {}, "protocol": "stdio"}, {"protocol": "pipe"}])
def test_a_row_that_is_wrong_keeps_its_own_server_away_alone(fields: dict[str, Any]) -> None:
    bad = add("bad", required=True)
    add("good")
    MCPServer.objects.filter(pk=bad.pk).update(**fields)
    absent, good = specs.configured(lab())
    assert (absent.name, absent.required, good.absent) == ("bad", True, "")
    assert "wrong" in absent.absent


def test_a_variable_that_workers_do_not_have_keeps_its_server_away_by_name() -> None:
    row = add(headers={"X-Key": "env:AIOPS_SECRET_NOT_THERE"})
    for absent in (
        specs.of_row(row, SETTINGS).absent,
        specs.of_row(row, SETTINGS, ignore_status=True).absent,
    ):
        assert "AIOPS_SECRET_NOT_THERE is not set" in absent


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("name", {"name": "Net Box"}),
        ("url", {"url": "ftp://x"}),
        ("url", {"url": ""}),
        ("url", {"url": "https://user:secret@x/"}),
        ("url", {"url": "https://x/?key=1"}),
        ("url", {"url": "http://x/", "place": "external"}),
        ("endpoint", {"endpoint": "mcp"}),
        ("health_path", {"health_path": "http://elsewhere/"}),
        ("headers", {"headers": {"X-Key": "the key itself"}}),
        ("headers", {"headers": {"X-Key": "env:HOME"}}),
        ("headers", {"headers": ["X-Key"]}),
        ("headers", {"headers": {"X: y\r\nZ": "env:AIOPS_SECRET_A"}}),
        ("command", {"command": "sh"}),
        ("command", {"protocol": "stdio", "url": ""}),
        ("url", {"protocol": "stdio", "command": "sh"}),
        ("args", {"protocol": "stdio", "url": "", "command": "sh", "args": "-c true"}),
        ("env", {"protocol": "stdio", "url": "", "command": "sh", "env": {"API_TOKEN": "plain"}}),
        ("env", {"protocol": "stdio", "url": "", "command": "sh", "env": {"A": "env:HOME"}}),
        ("place", {"protocol": "stdio", "url": "", "command": "sh", "place": "external"}),
        ("endpoint", {"endpoint": "/mcp?key=1"}),
        ("endpoint", {"endpoint": "/mcp\n"}),
        ("env", {"env": []}),
        ("args", {"args": {}}),
        ("headers", {"protocol": "stdio", "url": "", "command": "sh", "headers": []}),
        ("headers", {"headers": {"X-Key\n": "env:AIOPS_SECRET_A"}}),
        ("args", {"protocol": "stdio", "url": "", "command": "sh", "args": ["\ud800"]}),
        ("handshake_s", {"handshake_s": 0}),
        ("handshake_s", {"handshake_s": 31}),
        ("call_s", {"call_s": 301}),
        ("protocol", {"protocol": "websocket"}),
    ],
)
def test_a_tool_server_that_cannot_exist_is_refused_by_field(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        add(**fields)
    assert field in refused.value.message_dict


def test_an_empty_field_of_a_tool_server_in_the_administration_is_stored_empty() -> None:
    row = add(args=None, env=None)
    assert (row.args, row.env) == ([], {})


def test_a_secret_that_no_header_can_carry_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer 123\n")
    row = add(headers={"Authorization": "env:AIOPS_SECRET_NETBOX"})
    assert specs.of_row(row, SETTINGS).headers == (("Authorization", "Bearer 123"),)
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer 1\n23")
    assert specs.of_row(row, SETTINGS).absent == (
        "AIOPS_SECRET_NETBOX has characters that no header can carry: copy it again."
    )


@pytest.mark.usefixtures("asked")
def test_a_moved_tool_server_is_unknown_until_checked_and_nothing_else_is_written() -> None:
    row = add(tools=[])
    stale = MCPServer.objects.get(pk=row.pk)
    MCPServer.objects.filter(pk=row.pk).update(status=Status.FAILED)
    stale.call_s = 9
    lifecycle.put(stale, changed=["call_s"])
    assert (stale.status, stale.call_s, stale.tools) == ("failed", 9, [])
    stale.url = "https://elsewhere.example.org"
    lifecycle.put(stale, changed=["url"])
    assert (stale.status, stale.tools) == ("unknown", None)
    stale.url, stale.status = "https://netbox.example.org", Status.HEALTHY
    lifecycle.put(stale, changed=["url", "status"])
    assert stale.status == "healthy"
    MCPServer.objects.all().delete()
    with pytest.raises(NotFound):
        lifecycle.put(stale, changed=["call_s"])
