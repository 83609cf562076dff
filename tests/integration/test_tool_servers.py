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
from django.core.exceptions import ValidationError
from django.db.models.functions import Now

from aiops import dispatch, keyspace
from aiops.registry import health, providers, tool_servers
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
        ("handshake_s", {"handshake_s": 0}),
        ("call_s", {"call_s": 301}),
        ("protocol", {"protocol": "websocket"}),
    ],
)
def test_what_no_tool_server_can_be_is_refused_by_field(field: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        add(**fields)
    assert field in refused.value.message_dict


def looked(row: MCPServer, problem: str = "") -> bool:
    row.refresh_from_db()
    changed = health.note(row, Health(problem))
    row.refresh_from_db()
    return changed


def test_a_changed_status_is_believed_when_two_more_looks_agree() -> None:
    row = add()
    assert [looked(row, "refused"), row.status, row.suspected] == [False, "healthy", "failed"]
    assert [looked(row, "refused"), row.status] == [False, "healthy"]
    assert [looked(row, "refused"), row.status, row.problem] == [True, "failed", "refused"]
    assert [looked(row), looked(row), looked(row), row.status] == [False, False, True, "healthy"]


def test_a_server_that_flaps_keeps_its_status() -> None:
    row = add()
    for problem in ("refused", "refused", "", "refused", "refused", ""):
        assert not looked(row, problem)
    assert (row.status, row.suspected) == ("healthy", "")


def test_what_somebody_changed_meanwhile_is_not_overwritten_by_a_look() -> None:
    row = add(suspected="failed", confirmations=1)
    MCPServer.objects.filter(pk=row.pk).update(status=Status.MAINTENANCE)
    assert not health.note(row, Health("refused"))
    row.refresh_from_db()
    assert row.status == "maintenance"


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
        assert providers.look(settings)["providers_checked"] == 1
        row = ProviderHealth.objects.get()
        return row.reachable, row.detail, row.since

    reachable, detail, since = look()
    assert (reachable, "answered 200" in detail) == (True, True)
    assert look()[2] == since
    answers.status = 401
    reachable, detail, refused_since = look()
    assert (reachable, "OPENAI_API_KEY" in detail, refused_since > since) == (False, True, True)
    assert providers.look(settings)["providers_checked"] == 0, "asked again too soon"
    providers.look(lab(llm_type="offline"))
    assert not ProviderHealth.objects.exists()
