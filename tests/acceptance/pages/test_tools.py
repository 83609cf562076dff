"""Tool servers in the browser: one is tested and saved, and a tool is tried."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.support.ui import Select

from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open
from tests.acceptance.system import System

SERVER = Path(__file__).parents[1] / "counting_server.py"


@pytest.fixture
def tidy(system: System) -> Iterator[None]:
    """Leave other tests the tool servers that there were."""
    yield
    with system.client() as client:
        for server in client.get("/api/mcp-servers/").json()["results"]:
            if server["name"] == "counted":
                client.delete(f"/api/mcp-servers/{server['id']}/").raise_for_status()


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        field = page.one(f"#server-form [name={name}]")
        field.clear()
        field.send_keys(value)


def says(page: Page) -> str:
    return page.text("#server-says")


@pytest.mark.usefixtures("tidy")
def test_a_server_is_tested_before_it_is_saved(browse: Open, tmp_path: Path) -> None:
    page = browse()
    page.open("/tool-servers/")
    page.one("a[href='/tool-servers/new/']").click()
    Select(page.one("[name=protocol]")).select_by_value("stdio")
    fill(page, name="counted", command=sys.executable, args="-c\npass")
    page.one("#test").click()
    page.until(lambda: says(page).startswith("It cannot be used"), "the reason of the first test", within_s=40)
    fill(page, args=str(SERVER), env=f"MARKS={tmp_path / 'marks'}\nCANARY")
    page.one("#test").click()
    page.until(lambda: 'NAME=value in each line; this one is "CANARY"' in page.text("#server-problem"), "the cure")
    page.one("[name=env]").send_keys("=sings")
    page.one("#test").click()
    page.until(lambda: says(page) == "It answers, and offers 5 tools.", "the tools", within_s=40)
    assert "change Change something (it leaves a mark), then take so many seconds. (may change things)" in page.texts(
        "#found li"
    )
    page.one("#server-form [type=submit]").click()
    page.until(lambda: page.text("h1") == "counted", "the page of the server")
    assert page.errors() == []


@pytest.mark.usefixtures("tidy")
def test_a_tool_that_reads_is_tried_and_one_that_changes_is_not(browse: Open, system: System, tmp_path: Path) -> None:
    env = {"MARKS": str(tmp_path / "marks"), "CANARY": "sings"}
    made = {"name": "counted", "protocol": "stdio", "command": sys.executable, "args": [str(SERVER)], "env": env}
    with system.client() as client:
        server = client.post("/api/mcp-servers/", json=made).json()
    page = browse(width=380)
    page.open(f"/tool-servers/{server['id']}/")
    page.until(lambda: page.all("[data-accept-all]") or page.driver.refresh(), "the list of its tools", within_s=40)
    assert page.texts("#catalogue [data-state=pending]") == ["Pending"] * 5
    page.one("[data-accept-all]").click()
    page.until(lambda: page.all("dialog[open] .primary"), "the question")
    page.one("dialog[open] .primary").click()
    page.until(lambda: page.texts("#catalogue [data-state=accepted]") == ["Accepted"] * 5, "that all are accepted")
    page.one("#catalogue a[href^='/tools/']").click()
    page.until(lambda: page.text("h1") == "counted_change", "the page of a tool")
    assert page.all("[data-try]") == []
    Select(page.one("[name=tool_class]")).select_by_value("destructive")
    page.one("#row-form [type=submit]").click()
    page.until(lambda: "destructive" in page.text("table"), "the change log")
    page.open("/tools/?server=counted&search=look")
    page.one("#catalogue a[href^='/tools/']").click()
    page.until(lambda: page.all("[data-try=look]"), "the page of a tool that reads")
    page.one("[data-try=look]").click()
    page.one("#trial [name=key]").send_keys("<b>eth0</b>")
    page.one("#trial [type=submit]").click()
    page.until(lambda: page.texts("#trial pre") == ["seen <b>eth0</b>"], "the result", within_s=40)
    assert page.text("#trial-says").startswith("It answered after ")
    page.open("/tools/?server=counted&search=fail")
    page.one("#catalogue a[href^='/tools/']").click()
    page.until(lambda: page.all("[data-try=fail]"), "the page of the other")
    page.one("[data-try=fail]").click()
    assert page.text("#trial-says") == "It takes no arguments."
    page.one("#trial [type=submit]").click()
    page.until(lambda: page.text("#trial-says").startswith("It failed"), "the failure", within_s=40)
    assert "the valve is stuck" in page.text("#trial pre")
    assert page.errors() == []
