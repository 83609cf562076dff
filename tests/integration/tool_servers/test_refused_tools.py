"""A tool that cannot be used is named with its reason wherever people see its server."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.people.models import User
from aiops.tool_servers.cli import servers as cli
from aiops.tool_servers.cli import tools
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import Health, Offered
from config.doctor import surroundings
from config.doctor.running import Server
from tests.integration.tool_servers.rows import Status, add, lab, offer, record

WHY = "its schema refers to '#/$defs/x', which does not exist"
OFFERED = [
    {"name": "good", "description": "Good.", "read_only": True},  # as rows of before have it
    {"name": "better", "description": "", "read_only": True, "problem": ""},
    {"name": "place", "description": "", "read_only": False, "problem": WHY},
]


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("viewer")
    user.user_permissions.add(Permission.objects.get(codename="view_mcpserver"))
    client.force_login(user)
    return client


def test_the_api_and_the_command_line_name_a_refused_tool(viewer: Client) -> None:
    add(tools=OFFERED)
    (row,) = viewer.get("/api/mcp-servers/").json()["results"]
    assert [(tool["name"], tool["problem"]) for tool in row["tools"]] == [("good", ""), ("better", ""), ("place", WHY)]

    class Api:
        def get(self, *_: Any, **__: Any) -> Any:
            return {"results": [row]}

    done = CliRunner().invoke(tools, ["show", "netbox"], obj=lambda url: Api())
    assert done.exit_code == 0
    assert f"netbox_place is refused: {WHY}" in done.stdout
    assert cli.COLUMNS["tools"](row) == "2 (1 refused)"


def test_pages_name_a_refused_tool(viewer: Client) -> None:
    server = add(tools=OFFERED)
    assert "1 refused" in viewer.get("/tool-servers/").content.decode()
    record(server, offer("place", problem=WHY))
    shown = viewer.get(f"/tool-servers/{server.pk}/").content.decode()
    assert "its schema refers to" in shown


def test_doctor_names_a_refused_tool_and_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    add(status=Status.HEALTHY)
    seen = Health(tools=(Offered("good", "", True), Offered("place", "", False, WHY)))
    monkeypatch.setattr(probe, "check", lambda specs: [seen for _ in specs])
    monkeypatch.setattr(surroundings, "SETTINGS", lab())
    well, refused = surroundings.tools(Server([]))
    assert (well.ok, well.seen) == (True, "1 tools")
    assert (refused.ok, refused.required, refused.seen) == (False, False, f"refused: place: {WHY}")
