"""Webhooks through their real doors: asked for by API, sent by a job, shown by API, command line and page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.migrated import migrated
from tests.acceptance.system import System, eventually
from tests.conftest import missing
from tests.integration.receivers import Receiver, Silent
from tests.patience import Patience


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


def test_the_end_of_a_run_a_batch_and_a_firing_is_sent_to_their_webhooks(
    system: System, client: httpx.Client, receiver: Receiver
) -> None:
    run = system.ask("tell", {"words": 2}, webhook=receiver.url)["run"]["id"]
    batch = client.post("/api/batches/", json={"items": [{"prompt": "hello"}], "webhook": receiver.url}).json()
    asked = {"name": "s", "message": "hello", "every_s": 3_600, "webhook": receiver.url}
    schedule = client.post("/api/schedules/", json=asked).json()
    fired = client.post(schedule["links"]["run"]).json()["run"]

    def delivered() -> set[str]:
        return {json.loads(body)["data"]["id"] for _, body in receiver.got}

    eventually(lambda: delivered() == {run, batch["id"], fired}, within_s=30, what="three deliveries")

    def marked() -> dict[str, str]:
        rows = client.get("/api/webhooks/", params={"state": "delivered", "limit": 3}).json()["results"]
        return {row["run"] or row["batch"]: row["id"] for row in rows}

    eventually(lambda: marked().keys() == {run, batch["id"], fired}, what="three rows that say so")
    delivery = marked()[run]
    assert delivery in system.cli("webhooks", "list").stdout
    assert "pending" in system.cli("webhooks", "redeliver", delivery).stdout
    eventually(lambda: len(receiver.got) == 4, within_s=15, what="the same once more")
    assert system.cli("webhooks", "key").stdout.startswith("whsec_")


def test_webhooks_of_another_user_are_not_found_and_a_read_only_token_gets_no_key(
    system: System, client: httpx.Client, stranger: str
) -> None:
    delivery = client.get("/api/webhooks/", params={"limit": 1}).json()["results"][0]["id"]
    reader = client.post("/api/tokens/", json={"name": "reader", "scope": "read"}).json()["token"]
    with system.client(stranger) as other:
        assert other.get(f"/api/webhooks/{delivery}/").status_code == 404
        assert other.post(f"/api/webhooks/{delivery}/redeliver/").status_code == 404
        assert other.get("/api/webhooks/key/").json() != client.get("/api/webhooks/key/").json()
    with system.client(reader) as other:
        assert other.get("/api/webhooks/").status_code == 200
        assert other.get("/api/webhooks/key/").status_code == 403


def test_the_webhooks_page_shows_deliveries_and_the_key_on_request(system: System, password: None) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
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


def test_a_receiver_that_never_answers_holds_up_neither_maintenance_nor_other_receivers(
    system: System, client: httpx.Client, receiver: Receiver
) -> None:
    dripping = Silent(drips=True)
    try:
        for _ in range(8):
            system.ask("tell", {"words": 1}, webhook=dripping.url)
        eventually(lambda: dripping.accepted >= 4, within_s=60, what="tries of the receiver that never answers")

        def reaped() -> str:
            return next(job for job in client.get("/api/upkeep/").json() if job["job"] == "reaper")["last"][
                "started_at"
            ]

        seen = {reaped()}
        eventually(lambda: seen.add(reaped()) or len(seen) > 3, within_s=60, what="the reaper")
        run = system.ask("tell", {"words": 2}, webhook=receiver.url.replace("127.0.0.1", "127.1"))["run"]["id"]
        eventually(lambda: receiver.got, within_s=60, what="a webhook of another host")
        assert json.loads(receiver.got[0][1])["data"]["id"] == run
        due = json.loads(client.get("/api/webhooks/", params={"limit": 20}).text)["results"]
        assert not any(row["state"] == "delivered" for row in due if str(dripping.port) in row["url"])
    finally:
        dripping.stop()


def test_a_system_stops_in_order_while_a_receiver_hangs_and_sends_again_when_it_is_back(tmp_path: Path) -> None:
    hanging = Silent(drips=True)
    system = System(migrated(tmp_path / "home"), AIOPS_REAPER_S="1", AIOPS_WEBHOOK_NETWORKS="127.0.0.1").start()
    try:
        system.ask("hello", webhook=hanging.url)
        eventually(lambda: hanging.accepted, within_s=60, what="a try of the receiver that hangs")
        patience = Patience(10)  # a try takes 15 s
        assert system.stop() == 0
        assert not patience.is_over(), "the end waited for the try"
        assert not [line for line in system.output if "worker-upkeep" in line], "it was killed"
        assert system.rows("SELECT state, attempts FROM webhooks_delivery") == [("pending", 1)]
        system.write("UPDATE webhooks_delivery SET next_at = CURRENT_TIMESTAMP")  # as if its lease had ended
        system.output.clear()
        system.start()
        eventually(lambda: hanging.accepted > 1, within_s=60, what="another try of the same delivery")
        assert system.rows("SELECT attempts FROM webhooks_delivery") == [(2,)]
    finally:
        system.stop()
        hanging.stop()
