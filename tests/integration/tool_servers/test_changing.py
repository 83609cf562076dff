"""Two people who change one tool server at a time: each change is held against what the other one left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from aiops.people.models import User
from aiops.tool_servers.models import MCPServer
from tests.integration.tool_servers.rows import add

ADMIN = "/admin/tool_servers/mcpserver/"
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("asked")]
Change = Callable[[Client, MCPServer, dict[str, Any]], int]


@pytest.fixture
def editor() -> User:
    user = User.objects.create_user("editor", is_staff=True)
    codes = [f"{do}_mcpserver" for do in ("view", "add", "change")]
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def patch(client: Client, row: MCPServer, fields: dict[str, Any]) -> int:
    return client.patch(f"/api/mcp-servers/{row.pk}/", fields, content_type="application/json").status_code


def in_the_administration(client: Client, row: MCPServer, fields: dict[str, Any]) -> int:
    page = client.get(f"{ADMIN}{row.pk}/change/")
    form = page.context["adminform"].form
    shown = {name: form[name].value() for name in form.fields}
    given = {name: value for name, value in shown.items() if value not in (None, False)}
    return client.post(f"{ADMIN}{row.pk}/change/", {**given, **fields}).status_code


@pytest.fixture
def row() -> MCPServer:
    return add(url="https://netbox.example.org", place="internal")


@pytest.fixture
def paused(row: MCPServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The first check of a row waits: (it began, let it go on)."""
    began, go_on = threading.Event(), threading.Event()
    full_clean = MCPServer.full_clean

    def slowly(self: MCPServer, *args: Any, **options: Any) -> None:
        full_clean(self, *args, **options)
        if not began.is_set():
            began.set()
            go_on.wait(60)

    monkeypatch.setattr(MCPServer, "full_clean", slowly)
    yield began, go_on
    go_on.set()


@pytest.mark.parametrize("first", [patch, in_the_administration])
def test_changes_that_only_together_make_no_server_are_not_both_made(
    first: Change, editor: User, row: MCPServer, paused: tuple[threading.Event, threading.Event]
) -> None:
    clients = [signed_in(editor), signed_in(editor)]
    statuses: list[int] = []

    def change(how: Change, client: Client, fields: dict[str, Any]) -> None:
        try:
            statuses.append(how(client, row, fields))
        finally:
            connection.close()

    began, go_on = paused
    plain = threading.Thread(target=change, args=(first, clients[0], {"url": "http://netbox.example.org"}))
    plain.start()
    assert began.wait(60)
    external = threading.Thread(target=change, args=(patch, clients[1], {"place": "external"}))
    external.start()
    external.join(1)  # it ends at once, or waits for the other one
    go_on.set()
    for thread in (plain, external):
        thread.join(60)
    row.refresh_from_db()
    row.full_clean()
    made = (row.url == "http://netbox.example.org", row.place == "external")
    assert made.count(True) == 1
    # The administration leads back to its form, with the reason, where the other change came between check and save.
    assert sorted(statuses) in ([200, 400], [302, 400], [200, 302])


def test_a_change_of_a_server_that_is_gone_is_not_found(editor: User) -> None:
    row = add()
    MCPServer.objects.all().delete()
    assert patch(signed_in(editor), row, {"call_s": 3}) == 404


def test_two_changes_of_different_fields_of_a_tool_server_are_both_kept(editor: User) -> None:
    row = add()
    client = signed_in(editor)
    assert [patch(client, row, {"call_s": 3}), patch(client, row, {"required": True})] == [200, 200]
    row.refresh_from_db()
    assert (row.call_s, row.required) == (3, True)
