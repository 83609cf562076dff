"""Where changes need a reason, every door asks for one: the API, commands, pages and the administration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.conftest import PASSWORD, SHORT
from tests.acceptance.system import System
from tests.conftest import missing


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    home = tmp_path_factory.mktemp("strict") / "home"
    made = System(home, AIOPS_REQUIRE_CHANGE_REASON="true", AIOPS_WORKERS="1", AIOPS_WEB_PROCESSES="1", **SHORT)
    made.start()
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.mark.parametrize(
    "command",
    [
        ("secrets", "add", "kept", "--env", "AIOPS_SECRET_KEPT"),
        ("providers", "add", "cloud", "--kind", "openai"),
        ("tools", "add", "netbox", "https://netbox.example.org"),
        ("tools", "set", "netbox", "maintenance"),
        ("tools", "remove", "netbox"),
        ("secrets", "remove", "kept"),
    ],
)
def test_commands_take_a_reason_and_say_when_one_is_missing(strict: System, command: tuple[str, ...]) -> None:
    refused = strict.cli(*command)
    assert (refused.returncode != 0, "Say why you change it" in refused.stderr) == (True, True), refused.stderr
    done = strict.cli(*command, "--reason", "For the night")
    assert done.returncode == 0, done.stderr


def test_pages_ask_for_the_reason_when_one_is_needed(strict: System) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    reason = {"Change-Reason": "Set up"}
    with strict.client() as client:
        kept = {"name": "paged", "kind": "env", "reference": "AIOPS_SECRET_PAGED"}
        assert client.post("/api/secrets/", json=kept).status_code == 400
        secret = client.post("/api/secrets/", json=kept, headers=reason).json()
        server = client.get("/api/mcp-servers/").json()["results"][0]
    find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
    strict.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")
    page = Page(strict).sign_in()
    try:
        page.open(f"/tool-servers/{server['id']}/")
        page.one("[data-status=maintenance]").click()
        page.one("#ask .primary").click()
        page.until(lambda: "Why do you change it?" in page.text("#ask p"), "the question")
        page.one("#ask input").send_keys("New cables, ü")
        page.one("#ask .primary").click()
        page.until(lambda: "New cables, ü" in page.text("main"), "the change with its reason")
        page.open(f"/secrets/{secret['id']}/")
        assert "Set up" in page.text("main")
        page.open("/secrets/")
        page.one("[data-do=delete]").click()
        page.one("#ask .primary").click()
        page.until(lambda: "Why do you change it?" in page.text("#ask p"), "the question")
        page.one("#ask .primary").click()
        page.until(lambda: "Say why you change it" in page.text("#secrets-problem"), "the refusal without one")
        page.open(f"/admin/tool_servers/mcpserver/{server['id']}/delete/")
        page.one("#content form button").click()
        page.until(lambda: "Say why you change it" in page.text("#content"), "the refusal of the administration")
    finally:
        page.close()
