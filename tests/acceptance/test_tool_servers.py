"""Tool servers through every door: workers follow a change at once, and what is missing is named."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver.common.by import By

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.system import System, eventually
from tests.conftest import missing
from tests.ports import free_port

PATH = "/api/mcp-servers/"
READING = ("fail", "flood", "look", "spill")
COUNTING = str(Path(__file__).with_name("counting_server.py"))


@pytest.fixture
def api(system: System) -> Iterator[httpx.Client]:
    with system.client() as client:
        yield client
        for row in client.get(PATH).json()["results"]:
            if row["name"] != "host":
                client.delete(f"{PATH}{row['id']}/")


def add(api: httpx.Client, name: str, **fields: Any) -> dict[str, Any]:
    answer = api.post(PATH, json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def stdio(tmp_path: Path) -> dict[str, Any]:
    env = {"MARKS": str(tmp_path / "marks")}
    return {"protocol": "stdio", "command": sys.executable, "args": [COUNTING], "env": env, "status": "healthy"}


def looked(system: System, name: str) -> dict[str, Any]:
    run = system.ask("look", {"call": f"{name}_look", "args": {"key": "k"}, "id": uuid.uuid4().hex})
    return system.ended(run["run"]["id"])


def test_workers_follow_when_a_server_comes_rests_and_goes(system: System, api: httpx.Client, tmp_path: Path) -> None:
    row = add(api, "extra", **stdio(tmp_path), accept_tools=True)
    assert (row["status"], row["tools"], row["required"]) == ("healthy", None, False)

    def serves() -> bool:
        (step,) = looked(system, "extra")["steps"]
        return (step["server"], step["status"], step["preview"]) == ("extra", "ok", "seen k")

    def reported() -> list[str]:
        notices = looked(system, "extra")["notices"]
        return [one["text"] for one in notices if one["code"] == "tool_server_down" and "extra" in one["text"]]

    eventually(serves, what="the new server's tool")
    assert api.patch(f"{PATH}{row['id']}/", json={"status": "maintenance"}).json()["status"] == "maintenance"
    resting = ["The tool server 'extra' is missing: it is in maintenance"]
    eventually(lambda: reported() == resting, what="the notice that names it")
    assert api.delete(f"{PATH}{row['id']}/").status_code == 204
    eventually(lambda: reported() == [], what="its end")


def test_a_tool_waits_until_somebody_accepts_it_and_is_used_then(
    system: System, api: httpx.Client, tmp_path: Path
) -> None:
    add(api, "extra", **stdio(tmp_path))

    def waiting() -> list[dict[str, Any]]:
        found = api.get("/api/tools/", params={"server": "extra", "status": "pending"}).json()["results"]
        return list(found)

    def withheld() -> str:
        texts = [one["text"] for one in looked(system, "extra")["notices"] if one["code"] == "tools_withheld"]
        return texts[0] if texts else ""

    look = next(one for one in eventually(waiting, within_s=40, what="its list") if one["name"] == "look")
    assert (look["tool_class"], look["pin"]) == ("read", "")
    assert "extra_look" in eventually(withheld, what="the notice that names it")
    done = system.cli("tools", "accept", "extra", "look")
    assert (done.returncode, done.stdout) == (0, "extra_look\taccepted\tread\n")

    def is_used() -> bool:
        (step,) = looked(system, "extra")["steps"]
        return (step["status"], step["preview"]) == ("ok", "seen k")

    eventually(is_used, what="the accepted tool")
    assert "extra_change" in withheld()
    assert system.cli("tools", "change", "extra", "look", "--disable").stdout == "extra_look\tread\tdisabled\n"
    eventually(lambda: not is_used(), what="the end of a disabled tool")
    listed = system.cli("tools", "catalogue", "--server", "extra", "--class", "read").stdout
    assert [line.split("\t")[0] for line in listed.splitlines()] == [f"extra_{n}" for n in READING]
    tried = system.cli("tools", "try", "extra", "look", "key=k")
    assert (tried.returncode, tried.stdout) == (0, "seen k\n"), tried.stderr
    refused = system.cli("tools", "try", "extra", "change", "key=k")
    assert (refused.returncode, "not accepted" in refused.stdout) == (1, True)


def test_a_missing_server_that_is_required_fails_the_run_by_name(system: System, api: httpx.Client) -> None:
    def hello() -> dict[str, Any]:
        return system.ended(system.ask("hello", {})["run"]["id"])

    row = add(api, "vital", url=f"http://127.0.0.1:{free_port()}/mcp", required=True, status="healthy")
    try:
        run = eventually(lambda: (ended := hello())["state"] == "failed" and ended, what="a failed run")
        assert (run["error"]["code"], run["error"]["retry"]) == ("tool_server_missing", True)
        assert "'vital'" in run["error"]["detail"]
    finally:
        api.delete(f"{PATH}{row['id']}/")
    eventually(lambda: hello()["state"] == "succeeded", what="an answer without it")


def test_health_checks_change_the_status_and_leave_their_summary(
    system: System, api: httpx.Client, tmp_path: Path
) -> None:
    well = add(api, "well", **{**stdio(tmp_path), "status": "unknown"})
    away = add(api, "away", url=f"http://127.0.0.1:{free_port()}", endpoint="/mcp", status="healthy")

    def status(row: dict[str, Any]) -> str:
        return str(api.get(f"{PATH}{row['id']}/").json()["status"])

    eventually(lambda: (status(well), status(away)) == ("healthy", "failed"), within_s=40, what="two believed changes")
    row = api.get(f"{PATH}{well['id']}/").json()
    assert {tool["name"] for tool in row["tools"]} >= {"look", "change"}

    def summaries() -> list[dict[str, Any]]:
        runs = api.get("/api/upkeep/tool_servers/runs/").json()["results"]
        assert all(run["outcome"] != "failed" for run in runs)
        return [run["summary"] for run in runs]

    def reported() -> bool:
        return any(summary.get("changed_count") and summary["cache_cleared"] for summary in summaries())

    eventually(reported, within_s=40, what="the summary of the job that saw a change")
    (provider,) = api.get("/api/providers/health/").json()
    assert provider["provider"] == "openai"
    assert [api.post(f"{PATH}{what}/").json() for what in ("check", "refresh")] == [
        {"asked": "check"},
        {"asked": "refresh"},
    ]


MAKE = (
    "from aiops.people.models import User; from aiops.people import tokens\n"
    "from django.contrib.auth.models import Permission\n"
    "for name, codes in {names}.items():\n"
    "    u, _ = User.objects.get_or_create(username=name)\n"
    "    u.user_permissions.set(Permission.objects.filter(codename__in=codes))\n"
    "    print(tokens.issue(u, name='t')[1])"
)


def test_only_who_has_the_permission_sees_changes_and_runs_commands(system: System, api: httpx.Client) -> None:
    names = {
        "nobody": [],
        "viewer": ["view_mcpserver"],
        "editor": [f"{do}_mcpserver" for do in ("view", "add", "change")],
    }
    nobody, viewer, editor = system.manage(MAKE.format(names=names)).split()[-3:]
    new = {"name": "theirs", "url": "https://tools.example.org", "status": "maintenance"}
    with system.client(nobody) as client:
        assert client.get(PATH).status_code == 403
        assert client.post(f"{PATH}check/").status_code == 403
    with system.client(viewer) as client:
        assert client.get(PATH, params={"search": "host"}).json()["results"][0]["name"] == "host"
        assert client.post(PATH, json=new).status_code == 403
    with system.client(editor) as client:
        made = client.post(PATH, json=new).json()
        refused = client.post(PATH, json={"name": "shell", "protocol": "stdio", "command": "sh"})
        assert (refused.status_code, refused.json()["code"]) == (403, "commands_not_allowed")
        turned = client.patch(f"{PATH}{made['id']}/", json={"protocol": "stdio", "url": "", "command": "sh"})
        assert turned.json()["code"] == "commands_not_allowed"
        host = client.get(PATH, params={"search": "host"}).json()["results"][0]
        assert client.patch(f"{PATH}{host['id']}/", json={"args": ["-c", "1"]}).json()["code"] == "commands_not_allowed"
        assert client.delete(f"{PATH}{made['id']}/").status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x"}, "url"),
        ({"name": "X!", "url": "https://x/"}, "name"),
        ({"name": "host", "url": "https://x/"}, "name"),
        ({"name": "x", "url": "https://x/", "colour": "red"}, "colour"),
        ({"name": "x", "url": "https://x/", "headers": {"X-Key": "the key itself"}}, "headers"),
    ],
)
def test_what_cannot_be_one_is_refused_by_field(api: httpx.Client, body: dict[str, Any], field: str) -> None:
    refused = api.post(PATH, json=body)
    assert (refused.status_code, list(refused.json()["errors"])) == (400, [field])


def test_the_command_line_adds_shows_changes_and_removes(system: System, api: httpx.Client, tmp_path: Path) -> None:
    added = system.cli("tools", "add", "mine", "--env", f"MARKS={tmp_path / 'm'}", "--", sys.executable, COUNTING)
    assert (added.returncode, added.stdout) == (0, "mine\tunknown\n")
    assert "host\thealthy" in system.cli("tools", "list").stdout
    assert system.cli("tools", "set", "mine", "maintenance").stdout == "mine\tmaintenance\n"
    shown = system.cli("tools", "show", "mine").stdout
    assert f"{sys.executable} {COUNTING} (stdio, internal)" in shown
    assert json.loads(system.cli("tools", "list", "--status", "maintenance", "--json").stdout)[0]["name"] == "mine"
    assert system.cli("tools", "remove", "mine").stdout == "mine\tdeleted\n"
    gone = system.cli("tools", "show", "mine")
    assert (gone.returncode, "There is no tool server 'mine'" in gone.stderr) == (1, True)
    refused = system.cli("tools", "add", "mine", "https://x/", "--header", "X-Key=secret")
    assert "AIOPS_SECRET_" in refused.stderr


def test_pages_show_tool_servers_and_the_administration_changes_them(
    system: System, password: None, api: httpx.Client
) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    page = Page(system).sign_in()
    try:
        page.open("/admin/tool_servers/mcpserver/add/")
        page.driver.find_element(By.NAME, "name").send_keys("netbox")
        page.driver.find_element(By.NAME, "url").send_keys("https://user:secret@netbox.example.org")
        page.driver.find_element(By.NAME, "_save").click()
        page.until(lambda: "neither a user" in page.text("body"), "what is wrong with it")
        address = page.driver.find_element(By.NAME, "url")
        address.clear()
        address.send_keys("https://netbox.example.org")
        page.driver.find_element(By.NAME, "_save").click()
        page.until(lambda: "was added successfully" in page.text("body"), "that it is there")
        assert page.errors() == []
        page.open("/tool-servers/")
        page.until(lambda: {"host", "netbox"} <= set(page.texts("table td:first-child a")), "both servers")
        page.driver.find_element(By.LINK_TEXT, "netbox").click()
        page.until(lambda: page.all("[data-status=maintenance]"), "its page")
        page.one("[data-status=maintenance]").click()
        page.until(lambda: page.all("dialog[open] .primary"), "the question").__getitem__(0).click()
        page.until(lambda: page.text(".heading .state") == "Maintenance", "its new status")
        page.open("/tool-servers/")
        page.one("[data-ask=refresh]").click()
        page.until(lambda: page.all("[data-ask=refresh]:not(:disabled)"), "the page again")
        assert page.errors() == []
    finally:
        page.close()
