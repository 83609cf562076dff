"""The doors of people's own credentials: nobody sees a value, nobody reaches another's, and what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from auditlog.models import LogEntry
from cryptography.fernet import Fernet
from django.conf import settings as django_settings
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from aiops.people.models import User
from aiops.secrets import encryption
from aiops.settings import Settings
from aiops.tool_servers import lifecycle
from aiops.tool_servers.credentials import saving
from aiops.tool_servers.models import MCPServer, ToolCredential
from aiops.transfers import tables
from tests.integration.secrets.calls import KEY, OTHER, Call, calls, grown
from tests.integration.tool_servers.rows import add

PATH = "/api/tool-credentials/"
SECRET = "canary-of-ann-1"


@pytest.fixture
def gitlab(db: None) -> MCPServer:
    return add("gitlab", url="https://gitlab.example.org", credential="user")


@pytest.fixture
def ann() -> User:
    return grown("ann")


@pytest.fixture
def call(ann: User) -> Call:
    return calls(ann, PATH)


@pytest.fixture
def stored(call: Call, gitlab: MCPServer) -> dict[str, Any]:
    answer = call("POST", body={"server": "gitlab", "secret": f" {SECRET} "})
    assert answer.status_code == 201, answer.content
    return answer.json()


def page_of(user: User) -> Client:
    web = Client(headers={"host": "localhost"})
    web.force_login(user)
    return web


def test_a_credential_goes_in_and_never_comes_out(
    call: Call, stored: dict[str, Any], ann: User, ring: Callable[[str], Settings]
) -> None:
    assert set(stored) == {"id", "server", "problem", "created_at", "updated_at"}
    assert (stored["server"], stored["problem"]) == ("gitlab", "")
    row = ToolCredential.objects.get()
    assert encryption.decrypt(row.encrypted, django_settings.SETTINGS) == SECRET
    seen = [call("GET").content, call("GET", f"{stored['id']}/").content]
    web = page_of(ann)
    seen += [web.get("/tool-credentials/").content, web.get("/profile/").content]
    seen.append(json.dumps(list(LogEntry.objects.values("changes", "object_repr")), default=str).encode())
    assert all(SECRET.encode() not in one and row.encrypted.encode() not in one for one in seen)
    assert b"gitlab.example.org" in seen[2]


def test_nobody_reaches_the_credential_of_another_not_even_an_administrator(stored: dict[str, Any]) -> None:
    root = User.objects.create_superuser("root", password="correct-horse-battery")
    for other in (calls(grown("ben"), PATH), calls(root, PATH)):
        assert other("GET").json()["results"] == []
        for method, body in (("GET", None), ("PATCH", {"secret": "canary-of-another"}), ("DELETE", None)):
            answer = other(method, f"{stored['id']}/", body)
            assert answer.status_code == 404, answer.content
    assert page_of(root).post(f"/tool-credentials/{stored['id']}/remove/").status_code == 404
    assert ToolCredential.objects.get().updated_at.isoformat().startswith(stored["updated_at"][:19])


def test_the_change_log_knows_who_entered_one_and_when_not_what(call: Call, stored: dict[str, Any]) -> None:
    assert call("PATCH", f"{stored['id']}/", {"secret": "canary-of-ann-2"}).status_code == 200
    assert call("DELETE", f"{stored['id']}/").status_code == 204
    entries = LogEntry.objects.filter(content_type__model="toolcredential").order_by("pk")
    assert [(one.get_action_display(), one.actor.username) for one in entries] == [
        ("create", "ann"),
        ("update", "ann"),
        ("delete", "ann"),
    ]
    for entry in entries:
        assert set(entry.changes["encrypted"]) <= {"********", "", "None"}
    assert not ToolCredential.objects.exists()


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"server": "gitlab", "secret": "short"}, "secret", "fewer than 8 characters"),
        ({"server": "gitlab", "secret": "Bearer short"}, "secret", "fewer than 8 characters"),
        ({"server": "gitlab", "secret": "canary\nX-Evil: 1"}, "secret", "no header can carry"),
        ({"server": "gitlab", "secret": "canäry-of-ann"}, "secret", "no header can carry"),
        ({"server": "gitlab", "secret": "********"}, "secret", "stands in place of a value"),
        ({"server": "netbox", "secret": SECRET}, "server", "Those that do: gitlab."),
        ({"server": "none", "secret": SECRET}, "server", "Those that do: gitlab."),
        ({"server": "gitlab"}, "secret", "required"),
        ({"server": "gitlab", "secret": SECRET, "user": "ben"}, "user", "no such field"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(
    call: Call, gitlab: MCPServer, body: dict[str, Any], field: str, reason: str
) -> None:
    add("netbox")
    answer = call("POST", body=body)
    assert answer.status_code == 400
    assert reason in answer.json()["errors"][field][0]
    assert "canary-of-ann" not in answer.content.decode()


def test_a_second_one_and_an_idempotency_key_are_refused(call: Call, stored: dict[str, Any]) -> None:
    again = call("POST", body={"server": "gitlab", "secret": "canary-of-ann-2"})
    assert (again.status_code, again.json()["code"]) == (409, "credential_exists")
    keyed = call("POST", body={"server": "gitlab", "secret": SECRET}, **{"idempotency-key": "k"})
    assert (keyed.status_code, keyed.json()["code"]) == (400, "idempotency_not_possible")


def test_nothing_is_stored_without_a_key_and_the_cure_is_named(
    call: Call, gitlab: MCPServer, ring: Callable[[str], Settings], ann: User
) -> None:
    ring("")
    answer = call("POST", body={"server": "gitlab", "secret": SECRET})
    assert "AIOPS_ENCRYPTION_KEYS is not set" in answer.json()["errors"]["secret"][0]
    assert b"AIOPS_ENCRYPTION_KEYS" in page_of(ann).get("/tool-credentials/").content


def test_the_page_stores_replaces_and_removes_ones_own(ann: User, gitlab: MCPServer) -> None:
    web = page_of(ann)
    where = "/tool-credentials/store/"
    for secret in (SECRET, "canary-of-ann-2"):
        assert web.post(where, {"server": gitlab.pk, "secret": secret}).status_code == 302
        assert encryption.decrypt(ToolCredential.objects.get().encrypted, django_settings.SETTINGS) == secret
    refused = web.post(where, {"server": gitlab.pk, "secret": "short"})
    assert refused.status_code == 400
    assert b"gitlab: " in refused.content
    for other in (add("netbox").pk, "none"):
        assert web.post(where, {"server": other, "secret": SECRET}).status_code == 404
    assert web.post(f"/tool-credentials/{ToolCredential.objects.get().pk}/remove/").status_code == 302
    assert not ToolCredential.objects.exists()
    assert Client(headers={"host": "localhost"}).get("/tool-credentials/").status_code == 302


def test_a_moved_server_and_one_that_takes_none_any_more_say_so(
    call: Call, stored: dict[str, Any], gitlab: MCPServer, ann: User
) -> None:
    gitlab.url = "https://elsewhere.example.org"
    lifecycle.put(gitlab, changed={"url"})
    assert call("GET", f"{stored['id']}/").json()["problem"] == saving.MOVED
    assert b"enter it again" in page_of(ann).get("/tool-credentials/").content
    assert call("PATCH", f"{stored['id']}/", {"secret": SECRET}).json()["problem"] == ""
    gitlab.credential = "none"
    lifecycle.put(gitlab, changed={"credential"})
    assert call("GET", f"{stored['id']}/").json()["problem"] == saving.UNUSED
    refused = call("PATCH", f"{stored['id']}/", {"secret": SECRET})
    assert (refused.status_code, refused.json()["errors"]) == (400, {"server": [saving.UNUSED]})
    assert b"No longer used" in page_of(ann).get("/tool-credentials/").content


def test_keys_rotate_for_credentials_too_and_a_lost_one_is_named(
    stored: dict[str, Any], ring: Callable[[str], Settings]
) -> None:
    rotated = ring(f"{OTHER},{KEY}")
    said = StringIO()
    call_command("rotate_secrets", stdout=said)
    assert "1 encrypted" in said.getvalue()
    assert encryption.is_current(ToolCredential.objects.get().encrypted, rotated)
    ring(Fernet.generate_key().decode())
    with pytest.raises(CommandError, match="ann, for gitlab"):
        call_command("rotate_secrets", stdout=said)


def test_no_file_of_rows_and_no_list_of_the_administration_has_credentials(stored: dict[str, Any]) -> None:
    assert "tool-credentials" not in [table.path for table in tables.tables()]
    (table,) = (one for one in tables.tables() if one.path == "mcp-servers")
    cells = table.cells(MCPServer.objects.get(name="gitlab"))
    assert cells["credential"] == "user"
    assert SECRET not in json.dumps(cells)
    web = page_of(User.objects.create_superuser("root", password="correct-horse-battery"))
    assert web.get("/admin/tool_servers/toolcredential/").status_code == 404
    server = MCPServer.objects.get(name="gitlab")
    shown = web.get(f"/admin/tool_servers/mcpserver/{server.pk}/change/").content.decode()
    assert ToolCredential.objects.get().encrypted not in shown + web.get(f"/tool-servers/{server.pk}/").content.decode()


SERVERS = [
    ({"credential": "user", "headers": {"authorization": "secret:x"}}, "headers", "gets each person's own"),
    ({"credential": "user", "credential_header": "bad header"}, "credential_header", "A name of letters"),
    ({"credential": "none", "credential_header": "X-Token"}, "credential_header", "leave it empty"),
    (
        {"credential": "user", "protocol": "stdio", "url": "", "command": "sh"},
        "credential",
        "every other command on the worker's machine can read",
    ),
]


@pytest.mark.parametrize(("fields", "field", "reason"), SERVERS)
def test_a_server_that_cannot_get_peoples_credentials_is_refused(
    fields: dict[str, Any], field: str, reason: str, db: None
) -> None:
    with pytest.raises(ValidationError) as refused:
        add(**fields)
    assert reason in refused.value.message_dict[field][0]


def test_whether_a_secret_is_shared_follows_from_what_refers_to_one(db: None) -> None:
    admin = calls(grown("admin", "view_mcpserver", "add_mcpserver", "change_mcpserver"), "/api/mcp-servers/")
    made = admin("POST", body={"name": "a", "url": "https://a.example.org", "headers": {"X": "env:AIOPS_SECRET_A"}})
    assert (made.status_code, made.json()["credential"]) == (201, "shared")
    path = f"{made.json()['id']}/"
    assert admin("PATCH", path, {"headers": {}}).json()["credential"] == "none"
    refused = admin("PATCH", path, {"credential": "shared"})
    assert (refused.status_code, set(refused.json()["errors"])) == (400, {"credential"})
    assert admin("PATCH", path, {"credential": "user"}).json()["credential"] == "user"
    assert [row["name"] for row in admin("GET", "?credential=user").json()["results"]] == ["a"]
