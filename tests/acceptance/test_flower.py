"""Flower beside our pages: it shows workers and tasks to those who have its password, and can stop nothing."""

from __future__ import annotations

import uuid

import httpx
import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.system import System, eventually
from tests.conftest import missing


@pytest.fixture
def flower(usual: System) -> httpx.URL:
    """Its address, with name and password."""
    url = httpx.URL(next(line.split()[1] for line in usual.output if line.strip().startswith("Flower ")))
    eventually(lambda: _answers(url), what="Flower")
    return url.copy_with(username="aiops", password=(usual.home / "flower_password").read_text())


def _answers(url: httpx.URL) -> bool:
    try:
        return httpx.get(url, timeout=1).status_code in (200, 401)
    except httpx.HTTPError:
        return False


def test_flower_shows_our_workers_and_tasks_and_no_message(usual: System, flower: httpx.URL) -> None:
    assert httpx.get(flower.copy_with(username="", password="")).status_code == 401
    secret = f"nobody-reads-{uuid.uuid4().hex}"

    def tasks_after_a_question() -> str:
        """Flower hears of tasks from when it has connected on."""
        usual.ended(usual.ask(f"hello {secret}", {})["run"]["id"])
        text = client.get("/api/tasks").text
        return text if "aiops.run" in text and "aiops.upkeep" in text else ""

    with httpx.Client(base_url=flower) as client:
        eventually(
            lambda: {"runs-1", "upkeep"} <= {n.split("@")[0] for n in client.get("/api/workers?refresh=1").json()}
        )
        tasks = eventually(tasks_after_a_question, within_s=30, what="the tasks")
        pages = tasks + client.get("/workers").text + client.get("/tasks").text + client.get("/broker").text
        assert secret not in pages
        assert '"runs"' in client.get("/api/workers", params={"refresh": "1"}).text
        assert client.post("/api/worker/shutdown/runs-1").status_code in (401, 403, 404, 405)
    assert usual.ended(usual.ask("still there", {})["run"]["id"])["state"] == "succeeded"


def test_flower_is_seen_in_a_browser(usual: System, flower: httpx.URL) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    page = Page(usual)
    try:
        page.driver.get(str(flower.join("/workers")))

        def online() -> set[str]:
            rows = page.texts("#workers-table tbody tr")
            return {row.split("@")[0] for row in rows if "Online" in row}

        page.until(lambda: {"runs-1", "batch", "upkeep"} <= online(), "our workers, online")
        usual.ended(usual.ask("hello", {})["run"]["id"])
        page.driver.get(str(flower.join("/tasks")))
        page.until(lambda: "aiops.run" in page.text("#tasks-table tbody"), "the run's task")
    finally:
        page.close()
