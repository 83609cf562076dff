"""A started aiops imports the configuration of another client, in the browser and the terminal, and keeps no secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.system import System
from tests.conftest import missing

CANARY = "canary-of-an-imported-file"
FILE = """{
  // as VS Code writes it
  "inputs": [{"id": "github_token", "type": "promptString", "description": "GitHub token", "password": true}],
  "servers": {
    "GitHub": {
      "type": "http", "url": "https://api.githubcopilot.example.org/mcp/",
      "headers": {"Authorization": "Bearer ${input:github_token}", "X-Org": "CANARY"},
    },
    "my_server": {"command": "some-mcp-server", "env": {"API_TOKEN": "CANARY"}, "disabled": true},
    "postgres": {"command": "npx", "args": ["pg", "postgresql://u:CANARY@db.example.org/x"]},
  },
}
""".replace("CANARY", CANARY)
LINES = ["AIOPS_SECRET_GITHUB_TOKEN=", "AIOPS_SECRET_GITHUB_X_ORG=", "AIOPS_SECRET_MY_SERVER_API_TOKEN="]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "mcp.json"
    made.write_text(FILE)
    return made


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("AIOPS_SECRET_")]


def rows(api: httpx.Client) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in api.get("/api/mcp-servers/", params={"limit": 200}).json()["results"]}


@pytest.fixture
def api(system: System) -> Iterator[httpx.Client]:
    with system.client() as client:
        yield client


@pytest.fixture
def before(api: httpx.Client) -> Iterator[set[str]]:
    """Names of the servers before the test, which are all that it leaves."""
    found = set(rows(api))
    yield found
    for name, row in rows(api).items():
        if name not in found:
            api.delete(f"/api/mcp-servers/{row['id']}/")


def test_a_file_is_imported_in_the_browser_and_found_unchanged_in_the_terminal(
    system: System, password: None, api: httpx.Client, file: Path, before: set[str]
) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    page = Page(system).sign_in()
    try:
        page.open("/tool-servers/")
        page.one("#import summary").click()
        page.one("#import-form [name=file]").send_keys(str(file))
        page.one("#import-try").click()
        page.until(lambda: page.text("#import-says").startswith("To import: 2, unchanged: 0, refused: 1."), "the plan")
        assert page.texts("#import-plan tbody td:first-child") == ["github", "my-server", "–"]
        assert page.texts("#import-plan tbody .state") == ["create", "create", "refused"]
        assert lines(page.text("#import-lines pre")) == LINES
        assert set(rows(api)) == before
        page.one("#import-do").click()
        page.until(lambda: page.text("#import-says").startswith("Imported: 2"), "the import")
        assert not page.one("#import-do").is_displayed()
        assert CANARY not in page.driver.page_source
        assert page.errors() == []
    finally:
        page.close()
    assert set(rows(api)) == before | {"github", "my-server"}
    done = system.cli("tools", "import", str(file))
    assert done.returncode == 1, done.stderr  # postgres is refused
    assert [row.split("\t")[2] for row in done.stdout.splitlines()[:3]] == ["unchanged", "unchanged", "refused"]
    assert lines(done.stdout) == LINES
    for found in system.home.rglob("*"):
        assert not (found.is_file() and CANARY.encode() in found.read_bytes()), found
    assert rows(api)["my-server"]["status"] == "maintenance"
    assert rows(api)["github"]["headers"] == {
        "Authorization": "Bearer ${AIOPS_SECRET_GITHUB_TOKEN}",
        "X-Org": "env:AIOPS_SECRET_GITHUB_X_ORG",
    }
