"""Webhooks through their real doors: asked for by API, told by upkeep, shown by API, command line and page."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, PASSWORD, Page
from tests.acceptance.system import System, eventually
from tests.conftest import missing
from tests.integration.test_webhooks import Receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def client(system: System) -> Iterator[httpx.Client]:
    with system.client() as made:
        yield made


def test_a_question_a_batch_and_a_schedule_tell_their_end(
    system: System, client: httpx.Client, receiver: Receiver
) -> None:
    run = system.ask("tell", {"words": 2}, webhook=receiver.url)["run"]["id"]
    batch = client.post("/api/batches/", json={"items": [{"prompt": "hello"}], "webhook": receiver.url}).json()
    asked = {"name": "s", "message": "hello", "every_s": 3_600, "webhook": receiver.url}
    schedule = client.post("/api/schedules/", json=asked).json()
    fired = client.post(schedule["links"]["run"]).json()["run"]

    def told() -> set[str]:
        return {json.loads(body)["data"]["id"] for _, body in receiver.got}

    eventually(lambda: told() == {run, batch["id"], fired}, within_s=30, what="three deliveries")
    rows = client.get("/api/webhooks/", params={"state": "delivered", "limit": 3}).json()["results"]
    assert {row["run"] or row["batch"] for row in rows} == {run, batch["id"], fired}
    delivery = rows[0]["id"]
    assert delivery in system.cli("webhooks", "list").stdout
    assert "pending" in system.cli("webhooks", "redeliver", delivery).stdout
    eventually(lambda: len(receiver.got) == 4, within_s=15, what="the same once more")
    assert system.cli("webhooks", "key").stdout.startswith("whsec_")


def test_what_is_not_yours_is_not_there_and_keys_are_not_for_readers(system: System, client: httpx.Client) -> None:
    delivery = client.get("/api/webhooks/", params={"limit": 1}).json()["results"][0]["id"]
    code = (
        "from aiops.people import tokens; from aiops.people.models import User\n"
        "u, _ = User.objects.get_or_create(username='eve'); a = User.objects.get(username='admin')\n"
        "print(tokens.issue(u, name='w')[1], tokens.issue(a, name='r', scope='read')[1])"
    )
    eve, reader = system.manage(code).split()[-2:]
    with system.client(eve) as other:
        assert other.get(f"/api/webhooks/{delivery}/").status_code == 404
        assert other.post(f"/api/webhooks/{delivery}/redeliver/").status_code == 404
        assert other.get("/api/webhooks/key/").json() != client.get("/api/webhooks/key/").json()
    with system.client(reader) as other:
        assert other.get("/api/webhooks/").status_code == 200
        assert other.get("/api/webhooks/key/").status_code == 403


def test_the_page_shows_deliveries_and_the_key_on_request(system: System) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
    system.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")
    page = Page(system, width=390, dark=True).sign_in()
    try:
        page.open("/webhooks/")
        assert "Delivered" in page.texts("td .state")
        assert "whsec_" not in page.text("body")
        page.one("[data-do=show-key]").click()
        page.until(lambda: page.text("#key").startswith("whsec_"), "the key")
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.driver.execute_script(wide) <= 0
        assert page.errors() == []
    finally:
        page.close()
