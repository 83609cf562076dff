"""Trying by hand: a server before it is saved, and tools that read; by a worker, within limits, leaving nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client

from aiops import dispatch
from aiops.people import tokens
from aiops.people.models import User
from aiops.tool_servers.client import probe
from aiops.tool_servers.models import MCPServer
from aiops.trials import asking, jobs
from aiops.trials.models import Trial
from tests.integration.tool_servers.rows import SETTINGS, add, command

pytestmark = pytest.mark.django_db(transaction=True)
Post = Callable[..., Any]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does what is requested at once, in a thread of its own."""

    def work(job: str, *, request_id: str, in_s: int = 0) -> None:
        if job != asking.JOB:
            return

        def run() -> None:
            try:
                jobs.run_trials(SETTINGS)
            finally:
                connection.close()

        threading.Thread(target=run).start()

    monkeypatch.setattr(dispatch, "upkeep", work)
    monkeypatch.setattr(asking, "WAIT_S", 20)


@pytest.fixture
def grown() -> User:
    user = User.objects.create_user("eve", password="correct-horse-battery")
    codes = ["view_mcpserver", "add_mcpserver", "change_mcpserver", "run_commands"]
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


@pytest.fixture
def post(grown: User) -> Post:
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(grown, name='t')[1]}"})
    return lambda path, body: web.post(f"/api/mcp-servers/{path}", body, "application/json")


def stdio(tmp_path: Path, **fields: Any) -> dict[str, Any]:
    row = command("made", tmp_path)
    row.delete()
    return {"name": "made", "protocol": "stdio", "command": row.command, "args": row.args, "env": row.env, **fields}


@pytest.mark.usefixtures("worker")
def test_a_server_is_tested_and_nothing_is_saved(post: Post, tmp_path: Path) -> None:
    answer = post("test/", stdio(tmp_path))
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert (found["ok"], found["problem"]) == (True, "")
    look = next(tool for tool in found["tools"] if tool["name"] == "look")
    assert look["read_only"] is True
    assert look["parameters"]["type"] == "object"
    assert (MCPServer.objects.count(), Trial.objects.count()) == (0, 0)


@pytest.mark.usefixtures("worker")
def test_a_server_that_cannot_be_reached_says_why(post: Post, tmp_path: Path) -> None:
    found = post("test/", stdio(tmp_path, command="/no/such/program")).json()
    assert found == {
        "ok": False,
        "problem": "There is no command '/no/such/program': install or correct it.",
        "tools": [],
    }


@pytest.mark.usefixtures("worker")
def test_a_tool_that_reads_is_called_and_others_are_not(post: Post, tmp_path: Path) -> None:
    row = command("counting", tmp_path)
    read = post(f"{row.pk}/try/", {"tool": "look", "arguments": {"key": "k"}}).json()
    assert read["status"] == "ok", read
    assert read["ms"] > 0
    changed = post(f"{row.pk}/try/", {"tool": "change", "arguments": {"key": "k"}}).json()
    assert (changed["status"], changed["result"]) == ("error", probe.MAY_CHANGE)
    marks = tmp_path / "marks"
    assert "change" not in (marks.read_text() if marks.exists() else "")
    missing = post(f"{row.pk}/try/", {"tool": "none"}).json()
    assert (missing["status"], missing["result"]) == ("error", probe.NO_TOOL)
    assert Trial.objects.count() == 0


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("test/", {"name": "x"}),
        ("test/", {"name": "x", "url": "https://x.example.org", "headers": {"Authorization": "Bearer plain"}}),
        ("test/", {"name": "x", "url": "https://x.example.org", "more": 1}),
        ("try", {}),
        ("try", {"tool": "look", "arguments": []}),
    ],
)
def test_what_could_not_be_saved_is_not_tried_either(post: Post, path: str, body: dict[str, Any]) -> None:
    row = add()
    answer = post(path if path == "test/" else f"{row.pk}/try/", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_without_a_worker_it_says_so_and_leaves_nothing(
    post: Post, asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WAIT_S", 0.3)
    answer = post(f"{add().pk}/try/", {"tool": "look"})
    assert answer.status_code == 503
    assert "worker-upkeep" in answer.json()["detail"]
    assert asked == [(asking.JOB, 0)]
    assert Trial.objects.count() == 0


def test_only_so_many_wait_at_once(post: Post, grown: User, asked: list[tuple[str, int]]) -> None:
    row = add()
    for _ in range(asking.MOST):
        Trial.objects.create(user=grown, kind="tool")
    answer = post(f"{row.pk}/try/", {"tool": "look"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_trials")


def test_trying_takes_the_permissions_that_saving_takes(user: User, grown: User, tmp_path: Path) -> None:
    row = add()
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='t')[1]}"})
    for path, body in (("test/", {"name": "x", "url": "https://x.example.org"}), (f"{row.pk}/try/", {"tool": "x"})):
        assert web.post(f"/api/mcp-servers/{path}", body, "application/json").status_code == 403
    grown.user_permissions.remove(Permission.objects.get(codename="run_commands"))
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(grown, name='t')[1]}"})
    answer = web.post("/api/mcp-servers/test/", stdio(tmp_path), "application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "commands_not_allowed")


def test_the_page_has_the_form_and_a_button_for_each_tool_that_reads(grown: User) -> None:
    tools = [
        {"name": "look", "description": "", "read_only": True, "problem": "", "parameters": {"x": "</script>"}},
        {"name": "mark", "description": "", "read_only": False, "problem": "", "parameters": None},
    ]
    row = add(tools=tools)
    browser = Client(headers={"host": "localhost"})
    browser.force_login(grown)
    page = browser.get(f"/tool-servers/{row.pk}/").content.decode()
    assert 'data-try="look"' in page
    assert 'data-try="mark"' not in page
    assert '{"x": "</script>"}' not in page
    assert browser.get("/tool-servers/new/").status_code == 200
    browser.force_login(User.objects.create_user("bob"))
    assert browser.get("/tool-servers/new/").status_code == 403


@pytest.mark.usefixtures("worker")
def test_a_trial_that_breaks_ends_and_says_where_to_look(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the valve is stuck")

    monkeypatch.setattr(probe, "call", broken)
    answer = post(f"{command('counting', tmp_path).pk}/try/", {"tool": "look"})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "It could not be tried (RuntimeError): the log of worker-upkeep says why."
    monkeypatch.setattr("aiops.tool_servers.trials.specs.of_row", broken)
    assert post("test/", stdio(tmp_path)).status_code == 503
    assert Trial.objects.count() == 0
