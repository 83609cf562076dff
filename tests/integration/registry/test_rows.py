"""Tool servers as rows: what they may be, and who serves."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from aiops.errors import NotFound
from aiops.registry import lifecycle, tool_servers
from aiops.registry.environment import BadToolServer, from_environment
from aiops.registry.models import MCPServer
from aiops.tools.values import Protocol
from tests.integration.registry.rows import SETTINGS, Status, add, lab


def test_rows_come_first_and_the_environment_fills_gaps_in_lab_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer 123")
    add(endpoint="/mcp", headers={"Authorization": "env:AIOPS_SECRET_NETBOX"}, required=True, call_s=7)
    written = {"netbox": {"url": "http://elsewhere/mcp"}, "more": {"url": "http://more/mcp"}}
    netbox, more = tool_servers.configured(lab(tool_servers=written))
    assert (netbox.name, netbox.url, netbox.headers, netbox.required, netbox.call_s, netbox.absent) == (
        "netbox",
        "https://netbox.example.org/mcp",
        (("Authorization", "Bearer 123"),),
        True,
        7.0,
        "",
    )
    assert (more.name, more.url, more.protocol) == ("more", "http://more/mcp", Protocol.HTTP)
    with pytest.raises(BadToolServer, match="LAB alone"):
        from_environment(lab(environment="PROD", tool_servers=written))


@pytest.mark.parametrize(
    ("status", "why"), [("failed", "it failed"), ("maintenance", "maintenance"), ("unknown", "not known")]
)
def test_only_healthy_servers_serve(status: str, why: str) -> None:
    add(status=status)
    assert why in tool_servers.configured(lab())[0].absent


def test_a_variable_that_workers_do_not_have_keeps_its_server_away_by_name() -> None:
    row = add(headers={"X-Key": "env:AIOPS_SECRET_NOT_THERE"})
    for absent in (
        tool_servers.spec(row, SETTINGS).absent,
        tool_servers.spec(row, SETTINGS, whatever_status=True).absent,
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
def test_what_no_tool_server_can_be_is_refused_by_field(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        add(**fields)
    assert field in refused.value.message_dict


def test_an_empty_box_of_the_administration_is_nothing() -> None:
    row = add(args=None, env=None)
    assert (row.args, row.env) == ([], {})


def test_a_secret_that_no_header_can_carry_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer 123\n")
    row = add(headers={"Authorization": "env:AIOPS_SECRET_NETBOX"})
    assert tool_servers.spec(row, SETTINGS).headers == (("Authorization", "Bearer 123"),)
    monkeypatch.setenv("AIOPS_SECRET_NETBOX", "Bearer 1\n23")
    assert tool_servers.spec(row, SETTINGS).absent == (
        "AIOPS_SECRET_NETBOX has characters that no header can carry: copy it again."
    )


@pytest.mark.usefixtures("asked")
def test_who_is_somewhere_else_is_unknown_until_looked_at_and_nothing_else_is_written() -> None:
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
