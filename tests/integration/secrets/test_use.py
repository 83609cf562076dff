"""Tool servers that refer to secrets, who may let them, and keys that rotate or are lost."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from aiops import keyspace
from aiops.secrets import encryption
from aiops.secrets.models import Secret
from aiops.settings import Settings
from aiops.tool_servers import specs
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
    message = channel.get_message(timeout=5)
    assert message is not None
    assert message["data"] == b"secrets:"
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
