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
from aiops.tool_servers import trials
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import ToolClass
from aiops.tool_servers.models import MCPServer, Tool
from aiops.trials import asking, jobs
from aiops.trials.models import Trial
from tests.integration.tool_servers.rows import SETTINGS, add, command, listed, offer, record

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
    codes = ["view_mcpserver", "add_mcpserver", "change_mcpserver", "run_commands", "view_tool"]
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


@pytest.fixture
def post(grown: User) -> Post:
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(grown, name='t')[1]}"})
    return lambda path, body: web.post(f"/api/{path}", body, "application/json")


def stdio(tmp_path: Path, **fields: Any) -> dict[str, Any]:
    row = command("made", tmp_path)
    row.delete()
    return {"name": "made", "protocol": "stdio", "command": row.command, "args": row.args, "env": row.env, **fields}


@pytest.mark.usefixtures("worker")
def test_a_server_is_tested_and_nothing_is_saved(post: Post, tmp_path: Path) -> None:
    answer = post("mcp-servers/test/", stdio(tmp_path))
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert (found["ok"], found["problem"]) == (True, "")
    look = next(tool for tool in found["tools"] if tool["name"] == "look")
    assert look["read_only"] is True
    assert look["parameters"]["type"] == "object"
    assert (MCPServer.objects.count(), Trial.objects.count()) == (0, 0)


@pytest.mark.usefixtures("worker")
def test_a_server_that_cannot_be_reached_says_why(post: Post, tmp_path: Path) -> None:
    found = post("mcp-servers/test/", stdio(tmp_path, command="/no/such/program")).json()
    assert found == {
        "ok": False,
        "problem": "There is no command '/no/such/program': install or correct it.",
        "tools": [],
    }


@pytest.mark.usefixtures("worker")
def test_a_tool_that_reads_is_called_and_others_are_not(post: Post, tmp_path: Path) -> None:
    tools = listed(command("counting", tmp_path, accept_tools=True))
    read = post(f"tools/{tools['look'].pk}/try/", {"arguments": {"key": "k"}}).json()
    assert read["status"] == "ok", read
    assert read["ms"] > 0
    changed = post(f"tools/{tools['change'].pk}/try/", {"arguments": {"key": "k"}}).json()
    assert (changed["status"], changed["result"]) == ("error", trials.MAY_CHANGE)
    marks = tmp_path / "marks"
    assert "change" not in (marks.read_text() if marks.exists() else "")
    assert Trial.objects.count() == 0


@pytest.mark.usefixtures("worker")
def test_a_tool_is_tried_only_as_it_was_accepted(post: Post, tmp_path: Path) -> None:
    look = listed(command("counting", tmp_path))["look"]
    path = f"tools/{look.pk}/try/"
    assert post(path, {}).json()["result"] == trials.NOT_ACCEPTED
    Tool.objects.filter(pk=look.pk).update(status=Tool.Status.ACCEPTED, pin="of another definition")
    assert post(path, {}).json()["result"] == probe.CHANGED
    Tool.objects.filter(pk=look.pk).update(name="none")
    assert post(path, {}).json()["result"] == probe.NO_TOOL


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("mcp-servers/test/", {"name": "x"}),
        ("mcp-servers/test/", {"name": "x", "url": "https://x.example.org", "headers": {"Authorization": "Bearer x"}}),
        ("mcp-servers/test/", {"name": "x", "url": "https://x.example.org", "more": 1}),
        ("tools/{tool}/try/", {"tool": "look"}),
        ("tools/{tool}/try/", {"arguments": []}),
    ],
)
def test_what_could_not_be_saved_is_not_tried_either(post: Post, path: str, body: dict[str, Any]) -> None:
    answer = post(path.format(tool=record(add(), offer())["look"].pk), body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_without_a_worker_it_says_so_and_leaves_nothing(
    post: Post, asked: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "WAIT_S", 0.3)
    answer = post(f"tools/{record(add(), offer())['look'].pk}/try/", {})
    assert answer.status_code == 503
    assert "worker-upkeep" in answer.json()["detail"]
    assert asked == [(asking.JOB, 0)]
    assert Trial.objects.count() == 0


def test_only_so_many_wait_at_once(post: Post, grown: User, asked: list[tuple[str, int]]) -> None:
    tool = record(add(), offer())["look"]
    for _ in range(asking.MOST):
        Trial.objects.create(user=grown, kind="tool")
    answer = post(f"tools/{tool.pk}/try/", {})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_trials")


def test_trying_takes_the_permissions_that_saving_takes(user: User, grown: User, tmp_path: Path) -> None:
    tool = record(add(), offer())["look"]
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='t')[1]}"})
    for path, body in (
        ("mcp-servers/test/", {"name": "x", "url": "https://x.example.org"}),
        (f"tools/{tool.pk}/try/", {}),
    ):
        assert web.post(f"/api/{path}", body, "application/json").status_code == 403
    grown.user_permissions.remove(Permission.objects.get(codename="run_commands"))
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(grown, name='t')[1]}"})
    answer = web.post("/api/mcp-servers/test/", stdio(tmp_path), "application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "commands_not_allowed")


def test_the_page_of_a_tool_has_a_form_to_try_it_if_it_reads(grown: User) -> None:
    hostile = {"inputSchema": {"x": "</script>"}}
    offers = (offer("look", definition=hostile), offer("mark", tool_class=ToolClass.WRITE, definition=hostile))
    tools = record(add(accept_tools=True), *offers)
    browser = Client(headers={"host": "localhost"})
    browser.force_login(grown)
    pages = {name: browser.get(f"/tools/{tool.pk}/").content.decode() for name, tool in tools.items()}
    assert 'data-try="look"' in pages["look"]
    assert "data-try" not in pages["mark"]
    assert not any('{"x": "</script>"}' in page for page in pages.values())
    assert browser.get("/tool-servers/new/").status_code == 200
    browser.force_login(User.objects.create_user("bob"))
    for path in ("/tool-servers/new/", "/tools/", f"/tools/{tools['look'].pk}/"):
        assert browser.get(path).status_code == 403


@pytest.mark.usefixtures("worker")
def test_a_trial_that_breaks_ends_and_says_where_to_look(
    post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the valve is stuck")

    monkeypatch.setattr(probe, "call", broken)
    answer = post(f"tools/{record(add(accept_tools=True), offer())['look'].pk}/try/", {})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "It could not be tried (RuntimeError): the log of worker-upkeep says why."
    monkeypatch.setattr("aiops.tool_servers.trials.specs.of_row", broken)
    assert post("mcp-servers/test/", stdio(tmp_path)).status_code == 503
    assert Trial.objects.count() == 0
