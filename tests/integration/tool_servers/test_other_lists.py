"""Prompts and resources of tool servers: listed by health checks, stored without secrets, and shown at every door."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from aiops.people.models import User
from aiops.tool_servers import health, jobs, lifecycle
from aiops.tool_servers.client.values import Health
from aiops.tool_servers.models import MCPServer
from tests.integration.tool_servers.listing_server import PROMPT, RESOURCE, said
from tests.integration.tool_servers.rows import add, lab

SHOWN_PROMPT = {
    **PROMPT,
    "arguments": [
        {"name": "alert", "description": "its id", "required": True},
        {"name": "depth", "description": "", "required": False},
    ],
}
SHOWN_RESOURCE = {
    "uri": "file:///runbook.md",
    "name": "runbook",
    "description": "The run-book.",
    "mime_type": "text/markdown",
    "size": 1200,
}
pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(client: Client) -> Client:
    user = User.objects.create_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_mcpserver", "change_mcpserver"]))
    client.force_login(user)
    return client


def row_of(tmp_path: Path, **given: Any) -> MCPServer:
    return add("raw", protocol="stdio", url="", command=sys.executable, args=said(tmp_path, **given))


@pytest.mark.usefixtures("asked")
def test_prompts_and_resources_are_listed_by_the_health_job_and_shown_by_api_and_page(
    tmp_path: Path, reader: Client
) -> None:
    row = row_of(tmp_path, prompts=[[PROMPT]], resources=[[RESOURCE], [{"uri": "x:two"}]])
    jobs.check_health(lab(llm_type="offline"))
    found = reader.get(f"/api/mcp-servers/{row.pk}/").json()
    two = {"uri": "x:two", "name": "", "description": "", "mime_type": "", "size": None}
    assert (found["prompts"], found["resources"]) == ([SHOWN_PROMPT], [SHOWN_RESOURCE, two])
    assert found["lists_problem"] == ""
    page = reader.get(f"/tool-servers/{row.pk}/").content.decode()
    for text in (
        "<h2>Prompts</h2>",
        "<h2>Resources</h2>",
        "triage",
        "Triage an alert",
        "alert",
        "file:///runbook.md",
        "text/markdown",
        "1.2",
    ):
        assert text in page


@pytest.mark.usefixtures("asked")
def test_a_server_without_prompts_and_resources_is_not_asked_for_them(tmp_path: Path, reader: Client) -> None:
    row = row_of(tmp_path, capabilities={}, dies=["prompts/list", "resources/list"])
    jobs.check_health(lab(llm_type="offline"))
    found = reader.get(f"/api/mcp-servers/{row.pk}/").json()
    shown = [found[name] for name in ("status", "prompts", "resources", "lists_problem")]
    assert shown == ["healthy", None, None, ""]
    page = reader.get(f"/tool-servers/{row.pk}/").content.decode()
    assert "<h2>Prompts</h2>" not in page
    assert "<h2>Resources</h2>" not in page


@pytest.mark.usefixtures("asked")
def test_hostile_lists_are_stored_without_secrets_and_shown_as_text(tmp_path: Path, reader: Client) -> None:
    key = "AKIA" + "A" * 16
    row = row_of(
        tmp_path,
        prompts=[[{"name": "<script>alert(1)</script>", "description": key}]],
        refuses={"resources/list": f"not with {key}"},
    )
    jobs.check_health(lab(llm_type="offline"))
    row.refresh_from_db()
    assert row.lists_problem.startswith("Its resources cannot be listed: not with")
    assert "AKIAAAAA" not in str(row.prompts) + row.lists_problem
    page = reader.get(f"/tool-servers/{row.pk}/").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.usefixtures("asked")
def test_lists_of_another_address_are_forgotten_and_a_failed_check_keeps_them(tmp_path: Path) -> None:
    row = row_of(tmp_path, prompts=[[PROMPT]], resources=[[RESOURCE]])
    jobs.check_health(lab(llm_type="offline"))
    row.refresh_from_db()
    health.record(row, Health("away"))
    row.refresh_from_db()
    assert row.prompts == [SHOWN_PROMPT]
    row.args = []
    lifecycle.put(row, changed={"args"})
    assert (row.prompts, row.resources, row.lists_problem) == (None, None, "")


def test_a_refresh_by_hand_has_every_server_checked(asked: list[tuple[str, int]], reader: Client) -> None:
    row = add()
    MCPServer.objects.filter(pk=row.pk).update(look_at=Now() + health.EVERY)
    assert health.take_due() == []
    assert reader.post("/api/mcp-servers/refresh/", {}, "application/json").json() == {"asked": "refresh"}
    assert asked == [(health.JOB, 0)]
    assert health.take_due() == [row]


def test_a_server_that_says_its_prompts_changed_is_checked_soon_and_not_often(asked: list[tuple[str, int]]) -> None:
    row = add()
    rows = MCPServer.objects.filter(pk=row.pk)
    rows.update(look_at=Now() + health.EVERY, checked_at=Now())
    lifecycle.check_changed(row.name)
    assert (asked, health.take_due()) == ([], []), "it was checked a moment ago"
    rows.update(checked_at=Now() - lifecycle.MIN_PAUSE * 2)
    for _ in range(3):
        lifecycle.check_changed(row.name)
    assert asked == [(health.JOB, 0)]
    assert health.take_due() == [row]
