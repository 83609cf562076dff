"""Schedules through their real doors: the clock asks, answers come, and a page, the API and a terminal show it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import System, eventually
from tests.conftest import missing


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def soon(seconds: float = 1.5) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def make(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/api/schedules/", json={"name": "nightly", "every_s": 3_600, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def firings(client: httpx.Client, schedule: dict[str, Any]) -> list[dict[str, Any]]:
    return client.get(schedule["links"]["firings"]).json()["results"]


def test_a_schedule_fires_and_the_answer_is_in_its_conversation(client: httpx.Client) -> None:
    message = f'{uuid.uuid4().hex} DO {{"words": 3}}'
    body = {"name": "once", "message": message, "at": soon()}
    schedule = client.post("/api/schedules/", json=body).json()
    assert (schedule["state"], len(schedule["upcoming"])) == ("active", 1)

    def answered() -> list[dict[str, Any]]:
        return [one for one in firings(client, schedule) if one["outcome"] == "succeeded"]

    (fired,) = eventually(answered, within_s=20, what="the answer")
    now = client.get(schedule["links"]["self"]).json()
    assert (now["state"], now["times"], now["upcoming"]) == ("done", 1, [])
    said = client.get(f"/api/conversations/{now['conversation']}/messages/").json()["results"]
    assert [one["text"] for one in said] == [message, "w0 w1 w2"]
    assert client.get(f"/api/runs/{fired['run']}/").json()["state"] == "succeeded"


def test_a_scheduled_run_gets_no_tools_that_change_things(client: httpx.Client, model: ModelServer) -> None:
    def tools_of(**fields: Any) -> set[str]:
        message = f'{uuid.uuid4().hex} DO {{"words": 1}}'
        schedule = make(client, message=message, **fields)
        client.post(schedule["links"]["run"])
        eventually(lambda: model.calls[message], what="the model's call")
        asked = next(body for body in model.asked if body["messages"][-1]["content"] == message)
        client.delete(schedule["links"]["self"])
        return {tool["function"]["name"] for tool in asked["tools"]}

    reading, all_ = tools_of(), tools_of(allow_changes=True)
    assert reading < all_
    assert "counting_change" in all_ - reading


def test_a_scheduled_batch_can_be_fired_now_and_its_outcome_is_reported(client: httpx.Client) -> None:
    items = [{"custom_id": str(n), "prompt": f'{uuid.uuid4().hex} DO {{"words": 2}}'} for n in range(3)]
    schedule = make(client, batch={"items": items})
    assert (schedule["items"], schedule["message"]) == (3, "")
    started = client.post(schedule["links"]["run"]).json()
    assert started["outcome"] == "started"
    eventually(lambda: firings(client, schedule)[0]["outcome"] == "succeeded", within_s=30, what="the batch's end")
    assert client.get(f"/api/batches/{started['batch']}/").json()["counts"]["succeeded"] == 3


def test_a_schedule_is_paused_resumed_changed_and_deleted(client: httpx.Client) -> None:
    schedule = make(client, message="hello")
    here = schedule["links"]["self"]
    assert client.post(schedule["links"]["pause"]).json()["paused_because"] == "You paused it."
    assert client.get(here).json()["upcoming"] == []
    assert client.post(schedule["links"]["resume"]).json()["state"] == "active"
    assert client.post(schedule["links"]["resume"]).json()["code"] == "not_paused"
    changed = client.patch(here, json={"cron": "0 7 * * 1-5", "timezone": "Europe/Berlin", "name": "mornings"}).json()
    assert (changed["kind"], changed["every_s"], changed["name"]) == ("cron", None, "mornings")
    assert client.patch(here, json={"batch": {"items": [{"prompt": "x"}]}}).status_code == 400
    assert client.delete(here).status_code == 204
    assert client.get(here).status_code == 404


def test_schedules_of_another_user_are_not_found(client: httpx.Client, system: System, stranger: str) -> None:
    schedule = make(client, message="hello")
    with system.client(stranger) as eve:
        for name, link in schedule["links"].items():
            answer = eve.get(link) if name in ("self", "firings") else eve.post(link)
            assert answer.status_code == 404, link
        assert eve.delete(schedule["links"]["self"]).status_code == 404
        assert eve.get("/api/schedules/").json()["results"] == []


def test_the_command_line_makes_shows_runs_and_deletes(system: System, tmp_path: Path) -> None:
    made = system.cli("schedule", "add", 'hello DO {"words": 2}', "--cron", "0 7 * * *", "--timezone", "Europe/Berlin")
    assert made.returncode == 0, made.stderr
    schedule_id = made.stdout.strip()
    assert made.stderr.startswith("Next: ")
    assert schedule_id in system.cli("schedule", "list").stdout
    ran = system.cli("schedule", "run", schedule_id).stdout.split("\t")
    system.ended(ran[2].strip())
    shown = system.cli("schedule", "show", schedule_id).stdout
    assert "0 7 * * * (Europe/Berlin)" in shown
    assert "paused" in system.cli("schedule", "pause", schedule_id).stdout
    assert "active" in system.cli("schedule", "resume", schedule_id).stdout
    assert "deleted" in system.cli("schedule", "delete", schedule_id).stdout
    file = tmp_path / "prompts.jsonl"
    file.write_text(json.dumps({"prompt": "a"}) + "\n")
    batch = system.cli("schedule", "add", "--batch", str(file), "--every", "1d")
    assert "1 prompts as a batch" in system.cli("schedule", "show", batch.stdout.strip()).stdout
    wrong = system.cli("schedule", "add", "hello", "--every", "soon")
    assert "write 90s, 15m, 6h or 1d" in wrong.stderr
    assert "give one of --every 6h, --cron" in system.cli("schedule", "add", "hello").stderr


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_the_schedules_page_makes_a_schedule_and_shows_its_answers(
    system: System, password: None, width: int, dark: bool
) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    page = Page(system, width=width, dark=dark).sign_in()
    try:
        page.open("/schedules/")
        if not page.driver.execute_script("return document.getElementById('new-schedule').open"):
            page.one("#new-schedule summary").click()
        page.one("#schedule-form input[name=name]").send_keys("<b>Morning</b>")
        page.one("textarea[name=message]").send_keys('look DO {"words": 3}')
        page.one("#schedule-form button[type=submit]").click()
        page.until(lambda: page.all("#schedule"), "the schedule's page")
        assert page.text("h1") == "<b>Morning</b>"
        assert "at 07:00 on Monday through Friday" in page.text(".facts")
        page.one("[data-act=run]").click()

        def answered() -> bool:
            page.driver.refresh()
            return any("w0 w1 w2" in cell for cell in page.texts(".story li"))

        page.until(answered, "the answer", within_s=20)
        page.one("[data-act=pause]").click()
        page.until(lambda: page.text(".heading .state") == "Paused", "the pause")
        page.one("#edit-schedule summary").click()
        assert page.one("select[name=kind]").get_property("value") == "weekly"
        page.one("select[name=kind] option[value=monthly]").click()
        page.one("[name=day]").clear()
        page.one("[name=day]").send_keys("15")
        page.until(lambda: "15th day of every month" in page.text("#times"), "the times in words")
        page.one("#schedule-form button[type=submit]").click()
        page.until(lambda: "at 07:00 on the 15th day of every month" in page.text(".facts"), "the change")
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.driver.execute_script(wide) <= 0
        page.open("/schedules/")
        assert "<b>Morning</b>" in page.texts("td a")
        assert page.driver.execute_script(wide) <= 0
        assert page.errors() == []
    finally:
        page.close()
