"""Tool servers as rows: what they may be, who serves, and how looks at their health come to be believed."""

from __future__ import annotations

import sys
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db.models.functions import Now
from django.test import Client

from aiops import dispatch, keyspace
from aiops.errors import NotFound
from aiops.people.models import User
from aiops.registry import health, lifecycle, providers, tool_servers
from aiops.registry.environment import BadToolServer, from_environment
from aiops.registry.models import MCPServer, ProviderHealth
from aiops.tools.values import Health, Protocol
from aiops.upkeep.jobs import tool_servers as job
from config.valkey import free_port

pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS
Status = MCPServer.Status
COUNTING = Path(__file__).parents[1] / "acceptance" / "counting_server.py"


@pytest.fixture(autouse=True)
def _no_rows() -> None:
    MCPServer.objects.all().delete()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A recording dispatch: (job, in how many seconds)."""
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(dispatch, "upkeep", lambda job, *, request_id, in_s=0: said.append((job, in_s)))
    return said


def add(name: str = "netbox", **fields: Any) -> MCPServer:
    made = MCPServer(**{"name": name, "url": "https://netbox.example.org", "status": Status.HEALTHY, **fields})
    made.full_clean()
    made.save()
    made.refresh_from_db()
    return made


def command(name: str, tmp_path: Path, **fields: Any) -> MCPServer:
    env = {"MARKS": str(tmp_path / "marks")}
    return add(name, protocol="stdio", url="", command=sys.executable, args=[str(COUNTING)], env=env, **fields)


def lab(**changes: Any) -> Any:
    return SETTINGS.model_copy(update={"environment": "LAB", "tool_servers": {}, **changes})


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


@pytest.fixture
def provider() -> Any:
    """A provider's server that answers what its ``status`` says."""

    class Answers(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(Answers.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], Answers
    server.shutdown()
    server.server_close()


def test_providers_are_asked_and_what_they_answered_is_kept(provider: Any) -> None:
    port, answers = provider
    settings = lab(llm_type="openai", llm_model="m", openai_base_url=f"http://127.0.0.1:{port}/v1")

    def look() -> tuple[bool, str, Any]:
        ProviderHealth.objects.update(checked_at=Now() - timedelta(minutes=1))
        assert providers.look(settings, redact=str)["providers_checked"] == 1
        row = ProviderHealth.objects.get()
        return row.reachable, row.detail, row.since

    reachable, detail, since = look()
    assert (reachable, "answered 200" in detail) == (True, True)
    assert look()[2] == since
    answers.status = 401
    reachable, detail, refused_since = look()
    assert (reachable, "OPENAI_API_KEY" in detail, refused_since > since) == (False, True, True)
    assert providers.look(settings, redact=str)["providers_checked"] == 0, "asked again too soon"
    providers.look(lab(llm_type="offline"), redact=str)
    assert not ProviderHealth.objects.exists()


@pytest.fixture
def editor(client: Client) -> Client:
    """Staff who may change tool servers, and may not have commands run."""
    user = User.objects.create_user("editor", is_staff=True)
    codes = [f"{do}_mcpserver" for do in ("view", "add", "change", "delete")]
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    client.force_login(user)
    return client


FORM = {
    "name": "theirs",
    "place": "internal",
    "status": "maintenance",
    "handshake_s": 15,
    "headers": "{}",
    "args": "[]",
    "env": "{}",
}
ADMIN = "/admin/registry/mcpserver/"


@pytest.mark.usefixtures("asked")
def test_the_administration_lets_nobody_run_commands_without_the_permission(editor: Client, tmp_path: Path) -> None:
    ours = command("ours", tmp_path)
    shell = editor.post(f"{ADMIN}add/", {**FORM, "protocol": "stdio", "command": "sh"})
    assert b"is not one of the available choices" in shell.content
    assert (
        editor.post(f"{ADMIN}{ours.pk}/change/", {**FORM, "protocol": "http", "url": "https://x/"}).status_code == 403
    )
    assert editor.post(f"{ADMIN}{ours.pk}/delete/", {"post": "yes"}).status_code == 403
    editor.post(ADMIN, {"action": "delete_selected", "_selected_action": [str(ours.pk)], "post": "yes"})
    assert [row.name for row in MCPServer.objects.all()] == ["ours"]


@pytest.mark.usefixtures("asked")
def test_a_form_that_stood_open_undoes_nothing(editor: Client) -> None:
    assert editor.post(f"{ADMIN}add/", {**FORM, "protocol": "http", "url": "https://x/"}).status_code == 302
    row = MCPServer.objects.get(name="theirs")
    seen = editor.get(f"{ADMIN}{row.pk}/change/").context["adminform"].form["seen"].value()
    stale = {**FORM, "protocol": "http", "url": "https://x/", "status": "healthy", "seen": seen}
    row.status = Status.VULNERABLE
    lifecycle.put(row, changed=["status"])
    assert b"Somebody changed it" in editor.post(f"{ADMIN}{row.pk}/change/", stale).content
    row.refresh_from_db()
    assert row.status == "vulnerable"
    again = editor.get(f"{ADMIN}{row.pk}/change/").context["adminform"].form["seen"].value()
    assert editor.post(f"{ADMIN}{row.pk}/change/", {**stale, "seen": again}).status_code == 302
    row.refresh_from_db()
    assert row.status == "healthy"
