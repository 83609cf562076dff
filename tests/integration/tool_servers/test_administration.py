"""Tool servers in the administration."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.people.models import User
from aiops.tool_servers import lifecycle
from aiops.tool_servers.models import MCPServer
from tests.integration.tool_servers.rows import Status, command


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
    "credential": "none",
    "status": "maintenance",
    "handshake_s": 15,
    "headers": "{}",
    "args": "",
    "env": "{}",
}
ADMIN = "/admin/tool_servers/mcpserver/"


@pytest.mark.usefixtures("asked")
def test_the_administration_lets_nobody_run_commands_without_the_permission(editor: Client, tmp_path: Path) -> None:
    ours = command("ours", tmp_path)
    shell = editor.post(f"{ADMIN}add/", {**FORM, "protocol": "stdio", "command": "sh"})
    assert b"is not one of the available choices" in shell.content
    assert (
        editor.post(f"{ADMIN}{ours.pk}/change/", {**FORM, "protocol": "http", "url": "https://x/"}).status_code == 403
    )
    assert editor.post(f"{ADMIN}{ours.pk}/delete/", {"apply": "1"}).status_code == 403
    editor.post(ADMIN, {"action": "delete_rows", "_selected_action": [str(ours.pk)], "apply": "1"})
    assert [row.name for row in MCPServer.objects.all()] == ["ours"]


@pytest.mark.usefixtures("asked")
def test_an_administration_form_that_stood_open_undoes_no_later_change(editor: Client) -> None:
    assert editor.post(f"{ADMIN}add/", {**FORM, "protocol": "http", "url": "https://x/"}).status_code == 302
    row = MCPServer.objects.get(name="theirs")
    seen = editor.get(f"{ADMIN}{row.pk}/change/").context["adminform"].form["seen"].value()
    stale = {**FORM, "protocol": "http", "url": "https://x/", "status": "healthy", "seen": seen}
    row.status = Status.VULNERABLE
    lifecycle.put(row, changed=["status"])
    assert b"was changed after you opened it" in editor.post(f"{ADMIN}{row.pk}/change/", stale).content
    row.refresh_from_db()
    assert row.status == "vulnerable"
    again = editor.get(f"{ADMIN}{row.pk}/change/").context["adminform"].form["seen"].value()
    assert editor.post(f"{ADMIN}{row.pk}/change/", {**stale, "seen": again}).status_code == 302
    row.refresh_from_db()
    assert row.status == "healthy"
