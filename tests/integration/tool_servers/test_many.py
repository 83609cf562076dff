"""Tool servers as rows like all others: lists of them, tags, order, replacement, and a log of what people changed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aiops import keyspace
from aiops.changes import recording
from aiops.tool_servers.models import MCPServer
from tests.integration.secrets.calls import Call, calls, grown
from tests.integration.tool_servers.rows import add, command

PATH = "/api/mcp-servers/"
RIGHTS = [f"{verb}_mcpserver" for verb in ("view", "add", "change", "delete")]


@pytest.fixture
def call(asked: Any) -> Call:
    MCPServer.objects.all().delete()
    return calls(grown("eve", *RIGHTS), PATH)


def test_lists_are_added_changed_and_deleted_all_or_none(call: Call, tmp_path: Any) -> None:
    made = call("POST", body=[{"name": name, "url": "https://x.example.org", "tags": ["t"]} for name in ("a", "b")])
    assert made.status_code == 201, made.content
    ids = [row["id"] for row in made.json()]
    refused = call("POST", body=[{"name": "c", "url": "https://x.example.org"}, {"name": "a", "url": "https://x"}])
    assert (refused.status_code, "1.name" in refused.json()["errors"]) == (400, True)
    assert MCPServer.objects.count() == 2
    changed = call("PATCH", body=[{"id": one, "required": True} for one in ids])
    assert [row["required"] for row in changed.json()] == [True, True]
    stdio = command("ours", tmp_path)
    assert call("DELETE", body=[{"id": ids[0]}, {"id": str(stdio.pk)}]).status_code == 403
    assert MCPServer.objects.count() == 3
    assert call("DELETE", body=[{"id": one} for one in ids]).status_code == 204
    assert MCPServer.objects.count() == 1


def test_they_have_tags_an_order_and_can_be_replaced(call: Call) -> None:
    add("a", url="https://a.example.org", tags=["lab"], required=True, call_s=9)
    add("b", url="https://b.example.org", tags=["prod"])
    assert [row["name"] for row in call("GET", f"{PATH}?tag=lab").json()["results"]] == ["a"]
    assert [row["name"] for row in call("GET", f"{PATH}?ordering=-name").json()["results"]] == ["b", "a"]
    row = MCPServer.objects.get(name="a")
    put = call("PUT", f"{row.pk}/", {"name": "a", "url": "https://new.example.org"})
    assert put.status_code == 200, put.content
    row.refresh_from_db()
    assert (row.url, row.required, row.call_s, row.tags) == ("https://new.example.org", False, None, [])


def test_what_people_change_is_logged_and_what_health_checks_find_is_not(call: Call) -> None:
    row = add("a", url="https://a.example.org")
    answer = call("PATCH", f"{row.pk}/", {"url": "https://b.example.org"}, **{"change-reason": "It moved"})
    assert answer.status_code == 200, answer.content
    MCPServer.objects.filter(pk=row.pk).update(status="failed", problem="away")
    (entry, *_) = call("GET", f"{row.pk}/history/").json()["results"]
    assert (entry["actor"], entry["action"], entry["reason"]) == ("eve", "update", "It moved")
    assert entry["changes"] == {
        "url": ["https://a.example.org", "https://b.example.org"],
        "status": ["healthy", "unknown"],
    }
    assert recording.of(row).count() == 2
    assert call("GET", f"{row.pk}/").json()["tags"] == []


def test_a_server_that_is_replaced_by_the_same_stays_in_service(call: Call) -> None:
    row = add("a", url="https://a.example.org", tools=[])
    assert call("PUT", f"{row.pk}/", {"name": "a", "url": "https://a.example.org", "tags": ["t"]}).status_code == 200
    row.refresh_from_db()
    assert (row.status, row.tools, row.tags) == ("healthy", [], ["t"])


@pytest.mark.django_db(transaction=True)
def test_workers_hear_once_of_a_list(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(keyspace, "sync", lambda *_: SimpleNamespace(publish=lambda *_: heard.append("x") or 1))
    rows = [add(f"s{n}", url="https://a.example.org") for n in range(3)]
    assert call("PATCH", body=[{"id": str(row.pk), "status": "maintenance"} for row in rows]).status_code == 200
    assert heard == ["x"]
