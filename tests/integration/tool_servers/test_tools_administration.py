"""Tools in the administration and in CSV files: people change what is theirs to decide, and add or delete nothing."""

from __future__ import annotations

import csv
import io

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.changes import recording
from aiops.people.models import User
from aiops.tool_servers.models import MCPServer, Tool
from tests.integration.administering import administrator, form_of, problems
from tests.integration.tool_servers.rows import add, offer, record
from tests.integration.transferring import START, exported, sent

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("asked")]
ADMIN = "/admin/tool_servers/tool/"
COLUMNS = "server,name,tool_class,is_enabled,timeout_s,max_result_bytes,calls_per_run"


@pytest.fixture
def tools() -> dict[str, Tool]:
    return record(add(accept_tools=True), offer("look"), offer(" odd"), offer("-minus"))


@pytest.fixture
def browser() -> Client:
    return administrator()


@pytest.fixture
def staff(client: Client) -> Client:
    """Staff who may see and change tools, and nothing else."""
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_tool", "change_tool"]))
    client.force_login(user)
    return client


def test_the_class_and_limits_of_a_tool_are_changed_with_a_reason(browser: Client, tools: dict[str, Tool]) -> None:
    tool = tools["look"]
    assert b"netbox_look" in browser.get(ADMIN).content
    path = f"{ADMIN}{tool.pk}/change/"
    assert "Call look." in browser.get(path).content.decode(), "what its server says is shown"
    form = {**form_of(browser, path), "tool_class": "destructive", "timeout_s": "7", "is_enabled": ""}
    answer = browser.post(path, {**form, "reason": "It deletes.", "pin": "x", "status": "dropped", "name": "other"})
    assert answer.status_code == 302, problems(answer)
    made = Tool.objects.get(pk=tool.pk)
    assert (made.tool_class, made.timeout_s, made.is_enabled) == ("destructive", 7, False)
    assert (made.pin, made.status, made.name) == (tool.pin, "accepted", "look")
    entry = recording.of(made)[0]
    assert (entry.actor.username, entry.additional_data) == ("root", {"reason": "It deletes."})
    refused = browser.post(path, {**form_of(browser, path), "timeout_s": "301"})
    assert "300" in str(problems(refused)["timeout_s"])


def test_several_tools_are_changed_at_once(browser: Client, tools: dict[str, Tool]) -> None:
    ids = [str(tool.pk) for tool in tools.values()]
    form = {"action": "bulk_edit", "ids": ",".join(ids), "_selected_action": ids, "apply": "1", "calls_per_run": "3"}
    answer = browser.post(ADMIN, {**form, "is_enabled": "keep"})
    assert answer.status_code == 302, answer.content
    assert set(Tool.objects.values_list("calls_per_run", flat=True)) == {3}


def test_tools_are_neither_added_nor_deleted_in_the_administration(browser: Client, tools: dict[str, Tool]) -> None:
    tool = tools["look"]
    assert browser.get(f"{ADMIN}add/").status_code == 403
    assert browser.post(f"{ADMIN}{tool.pk}/delete/", {"apply": "1"}).status_code == 403
    browser.post(ADMIN, {"action": "delete_rows", "_selected_action": [str(tool.pk)], "apply": "1"})
    assert Tool.objects.count() == 3


def test_staff_without_the_permission_see_and_change_no_tools(client: Client, tools: dict[str, Tool]) -> None:
    client.force_login(User.objects.create_user("guest", is_staff=True))
    tool = tools["look"]
    assert client.get(ADMIN).status_code == 403
    assert client.post(f"{ADMIN}{tool.pk}/change/", {"tool_class": "read"}).status_code == 403


def test_an_exported_file_of_tools_is_imported_with_its_changes_alone(staff: Client, tools: dict[str, Tool]) -> None:
    assert "Import a CSV file" in staff.get(ADMIN).content.decode()
    data = exported(staff, "tools").decode("utf-8-sig")
    assert data.splitlines()[0] == COLUMNS
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(data))}
    assert rows["look"] | {"server": "netbox", "tool_class": "read", "is_enabled": "true"} == rows["look"]
    assert set(rows) == {"look", " odd", "'-minus"}
    changed = data.replace("netbox,look,read,true", "netbox,look,write,false")
    done = sent(staff, changed.encode(), "tools", reason="Quarterly review")
    assert (done.problems, done.outcome) == ([], {"changed": 1, "unchanged": 2})
    made = Tool.objects.get(name="look")
    assert (made.tool_class, made.is_enabled, made.status) == ("write", False, "accepted")
    assert recording.of(made)[0].additional_data == {"reason": "Quarterly review"}


@pytest.mark.parametrize(
    ("data", "row", "column", "why"),
    [
        ("server,name,tool_class\nnetbox,nothing,read\n", 2, "", "There is no such row"),
        ("server,name,tool_class\nother,look,read\n", 2, "", "There is no such row"),
        ("name,tool_class\nlook,read\n", 1, "", "The column 'server' is missing"),
        ("server,name,status\nnetbox,look,accepted\n", 1, "", "There is no column 'status'"),
        ("server,name,pin\nnetbox,look,x\n", 1, "", "There is no column 'pin'"),
        ("server,name,tool_class\nnetbox,look,harmless\n", 2, "tool_class", "harmless"),
        ("server,name,timeout_s\nnetbox,look,301\n", 2, "timeout_s", "300"),
        ("server,name,timeout_s\nnetbox,look,soon\n", 2, "timeout_s", "Not a number"),
        ("server,name,calls_per_run\nnetbox,look,2\nnetbox,look,3\n", 3, "", "Row 2 has the same server and name"),
    ],
)
def test_a_file_of_tools_that_is_wrong_changes_nothing(
    staff: Client, tools: dict[str, Tool], data: str, row: int, column: str, why: str
) -> None:
    before = list(Tool.objects.values())
    done = sent(staff, data.encode(), "tools")
    problem = done.problems[0]
    assert (problem["row"], problem["column"], why in problem["text"]) == (row, column, True), done.problems
    assert list(Tool.objects.values()) == before
    assert len(done.problems) == 1


def test_a_file_of_tools_needs_the_permission_to_change_them(client: Client, tools: dict[str, Tool]) -> None:
    user = User.objects.create_user("reader", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_tool"))
    client.force_login(user)
    assert "Import a CSV file" not in client.get(ADMIN).content.decode()
    file = io.BytesIO(b"server,name\nnetbox,look\n")
    file.name = "rows.csv"
    assert client.post(f"{START}import/?table=tools", {"file": file}).status_code == 403
    assert MCPServer.objects.filter(name="netbox").exists()
