"""The import in a terminal and on the page: both show what happens and the lines to set, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from django.contrib.auth.models import Permission
from django.test import Client as Browser

from aiops.people import tokens
from aiops.people.models import User
from aiops.terminal.client import Client
from aiops.tool_servers.cli import tools
from aiops.tool_servers.models import MCPServer

CANARY = "canary-of-a-header"
FILE = {
    "mcpServers": {
        "GitHub": {"url": "https://x.org/mcp", "headers": {"Authorization": CANARY}},
        "bad\n\x1b[31m": {"command": "a", "args": ["--token", CANARY]},
    }
}
pytestmark = pytest.mark.usefixtures("asked")


@pytest.fixture
def manager(user: User) -> User:
    codes = ("view_mcpserver", "add_mcpserver", "run_commands")
    user.user_permissions.set(Permission.objects.filter(codename__in=codes))
    return user


def served(request: httpx.Request) -> httpx.Response:
    """Let Django answer a request of httpx in the test's own transaction."""
    headers = {**request.headers, "host": "localhost"}
    kind = headers.pop("content-type")
    answer = Browser(headers=headers).generic(request.method, request.url.path, request.read(), content_type=kind)
    return httpx.Response(answer.status_code, content=answer.content)


@pytest.fixture
def run(manager: User, tmp_path: Path) -> Any:
    """Runs ``aiops tools import`` on a file with this content."""
    client = Client("http://localhost", tokens.issue(manager, name="test")[1])
    client._http = httpx.Client(
        base_url="http://localhost", headers=client._http.headers, transport=httpx.MockTransport(served)
    )

    def invoke(content: Any, *options: str) -> Result:
        file = tmp_path / "mcp.json"
        file.write_text(json.dumps(content))
        return CliRunner().invoke(tools, ["import", str(file), *options], obj=lambda url: client)

    return invoke


def test_the_command_lists_servers_and_lines_to_set(run: Any) -> None:
    done = run(FILE)
    assert done.exit_code == 1  # one is refused
    assert done.stdout.splitlines() == [
        "github\tGitHub\tcreate\t",
        "-\tbad [31m\trefused\tArgs has what looks like a secret, which cannot be referenced there: "
        "put it into env or headers.",
        "",
        "# the value of headers.Authorization of server GitHub in your file",
        "AIOPS_SECRET_GITHUB_AUTHORIZATION=",
    ]
    assert MCPServer.objects.get().headers == {"Authorization": "env:AIOPS_SECRET_GITHUB_AUTHORIZATION"}
    assert CANARY not in done.output


def test_a_dry_run_of_the_command_writes_nothing(run: Any) -> None:
    done = run(FILE, "--dry-run", "--json")
    assert json.loads(done.stdout)["variables"] == ["AIOPS_SECRET_GITHUB_AUTHORIZATION"]
    assert "Nothing was written" in done.stderr
    assert not MCPServer.objects.exists()


def test_a_whole_import_ends_with_success_also_the_second_time(run: Any) -> None:
    whole = {"mcpServers": {"a": {"url": "https://a.org"}}}
    assert [run(whole).stdout, run(whole).stdout] == ["a\ta\tcreate\t\n", "a\ta\tunchanged\t\n"]
    assert run(whole).exit_code == 0


def test_a_file_that_cannot_be_read_is_one_sentence(run: Any) -> None:
    done = run([])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "aiops: The file cannot be imported. file: It is not a JSON object.\n"


@pytest.mark.parametrize("may_add", [True, False])
def test_the_page_has_the_form_for_those_who_may_add_servers(manager: User, may_add: bool) -> None:
    if not may_add:
        manager.user_permissions.remove(Permission.objects.get(codename="add_mcpserver"))
    browser = Browser()
    browser.force_login(manager)
    page = browser.get("/tool-servers/").content.decode()
    assert ('id="import-form"' in page) == may_add
    assert ("tool_servers/import.js" in page) == may_add


def test_a_session_imports_with_its_csrf_token_only(manager: User) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(manager)
    assert browser.post("/api/mcp-servers/import/", {}).status_code == 403
