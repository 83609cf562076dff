"""Tool servers that refer to secrets, who may let them, and keys that rotate or are lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import Client

from aiops import keyspace
from aiops.secrets import encryption
from aiops.secrets.models import Secret
from aiops.settings import Settings
from aiops.tool_servers import rights, specs
from aiops.tool_servers.importing import run
from aiops.tool_servers.models import MCPServer
from tests.integration.secrets.calls import KEY, OTHER, Call, calls, grown
from tests.integration.tool_servers.rows import add as add_server

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_secret_in_use_is_neither_deleted_nor_renamed(call: Call, stored: dict[str, Any]) -> None:
    add_server("nb", headers={"Authorization": "Bearer ${secret:netbox}"})
    for answer in (call("DELETE", f"{stored['id']}/"), call("PATCH", f"{stored['id']}/", {"name": "other"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert "the tool server nb" in answer.json()["detail"]
    MCPServer.objects.all().delete()
    assert call("DELETE", f"{stored['id']}/").status_code == 204
    assert Secret.objects.count() == 0


def test_a_tool_server_gets_the_value_by_the_secrets_name(stored: dict[str, Any]) -> None:
    row = add_server("nb", headers={"Authorization": "Bearer ${secret:netbox}", "X-Key": "secret:netbox"})
    spec = specs.of_row(row, django_settings.SETTINGS)
    assert dict(spec.headers) == {"Authorization": "Bearer canary-of-netbox", "X-Key": "canary-of-netbox"}
    Secret.objects.all().delete()
    assert "There is no secret 'netbox'" in specs.of_row(row, django_settings.SETTINGS).absent


def test_a_lost_key_leaves_the_pages_usable_and_names_the_secret(
    call: Call, stored: dict[str, Any], ring: Callable[[str], Settings]
) -> None:
    row = add_server("nb", headers={"Authorization": "secret:netbox"})
    lost = ring(OTHER)
    assert call("GET").status_code == 200
    absent = specs.of_row(row, lost).absent
    assert absent.startswith("The secret 'netbox' cannot be read: AIOPS_ENCRYPTION_KEYS does not have the key")


def test_using_a_secret_and_moving_its_server_take_the_permission(stored: dict[str, Any]) -> None:
    editor = calls(grown("ed", "view_mcpserver", "add_mcpserver", "change_mcpserver"))
    servers = "/api/mcp-servers/"
    named = {"name": "nb", "url": "https://nb.example.org", "headers": {"Authorization": "secret:netbox"}}
    refused = editor("POST", servers, named)
    assert (refused.status_code, refused.json()["code"]) == (403, "secret_not_allowed")
    assert editor("POST", f"{servers}test/", named).json()["code"] == "secret_not_allowed"
    row = add_server("nb", headers={"Authorization": "secret:netbox"})
    moved = editor("PATCH", f"{servers}{row.pk}/", {"url": "https://evil.example.org"})
    assert moved.json()["code"] == "secret_not_allowed"
    dropped = editor("PATCH", f"{servers}{row.pk}/", {"headers": {}})
    assert dropped.json()["code"] == "secret_not_allowed"
    assert editor("PATCH", f"{servers}{row.pk}/", {"status": "maintenance"}).status_code == 200
    user = calls(grown("una", "view_mcpserver", "add_mcpserver", "change_mcpserver", "use_secret"))
    assert user("PATCH", f"{servers}{row.pk}/", {"url": "https://nb2.example.org"}).status_code == 200
    missing = user("PATCH", f"{servers}{row.pk}/", {"headers": {"Authorization": "secret:none"}})
    assert missing.json()["errors"] == {"headers": ["There is no secret 'none': create it, or correct the name."]}


def test_workers_hear_of_a_change_after_its_commit(call: Call, stored: dict[str, Any]) -> None:
    channel = keyspace.sync().pubsub()
    channel.subscribe(keyspace.CONTROL)
    channel.get_message(timeout=5)
    call("PATCH", f"{stored['id']}/", {"value": "another"})
    messages = [channel.get_message(timeout=5) for _ in range(2)]
    assert {message["data"] for message in messages if message} == {b"secrets:", b"models:"}
    channel.close()


def test_a_rotation_encrypts_with_the_first_key_and_touches_nothing_else(
    call: Call, stored: dict[str, Any], ring: Callable[[str], Settings]
) -> None:
    before = Secret.objects.get()
    rotated = ring(f"{OTHER},{KEY}")
    said = StringIO()
    call_command("rotate_secrets", stdout=said)
    call_command("rotate_secrets", stdout=said)
    assert [line.split()[0] for line in said.getvalue().splitlines()] == ["1", "0"]
    after = Secret.objects.get()
    assert encryption.is_current(after.encrypted, rotated)
    assert encryption.decrypt(after.encrypted, ring(OTHER)) == "canary-of-netbox"
    assert (after.updated_at, after.name, after.kind) == (before.updated_at, before.name, before.kind)
    ring(KEY)
    with pytest.raises(CommandError, match="netbox"):
        call_command("rotate_secrets")


@pytest.mark.parametrize("value", ["secret:netbox", "${secret:netbox}", "Bearer ${secret:netbox}"])
def test_a_file_of_another_client_cannot_name_a_secret(stored: dict[str, Any], value: str) -> None:
    servers = {"a": {"command": "x", "env": {"LEVEL": value}}, "b": {"url": "https://b/", "headers": {"X": value}}}
    data = json.dumps({"mcpServers": servers}).encode()
    plan = run.run(data, django_settings.SETTINGS, may_run_commands=True, dry_run=False)
    assert not any(rights.secrets_of(row) for row in MCPServer.objects.all()), plan.outcomes


@pytest.mark.parametrize("may_use", [False, True])
def test_the_administration_asks_for_the_permission_too(stored: dict[str, Any], may_use: bool) -> None:
    rights_of = ["view_mcpserver", "add_mcpserver", "change_mcpserver", *(["use_secret"] if may_use else [])]
    editor = grown("adm", *rights_of)
    editor.is_staff = True
    editor.save()
    web = Client(headers={"host": "localhost"})
    web.force_login(editor)
    form = {
        "name": "nb",
        "place": "internal",
        "credential": "none",
        "status": "maintenance",
        "handshake_s": 15,
        "args": "",
        "env": "{}",
    }
    form |= {"protocol": "http", "url": "https://x/", "headers": '{"Authorization": "secret:netbox"}'}
    answer = web.post("/admin/tool_servers/mcpserver/add/", form)
    assert (answer.status_code == 302) is may_use, answer.content
    assert MCPServer.objects.filter(name="nb").exists() is may_use
    if not may_use:
        assert "secrets.use_secret" in answer.content.decode()
