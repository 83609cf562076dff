"""Approvals in the browser: a person approves, edits and rejects, in the chat and in the inbox, also by keyboard."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.acceptance.browser import Page
from tests.acceptance.deciding import waiting
from tests.acceptance.pages.asking import Open, do
from tests.acceptance.system import System

pytestmark = pytest.mark.usefixtures("asked_about")


def ask(page: Page, key: str) -> None:
    page.ask(do("change it", call="counting_change", args={"key": key}, id=key, before="I change it."))
    page.until(lambda: page.all(".asks form.approval [type=submit]"), "the question")


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


def test_a_call_is_approved_in_the_chat(browse: Open, marks: Path, key: str) -> None:
    page = browse()
    ask(page, key)
    assert key in page.text(".asks pre")
    assert "I change it." in page.text(".asks blockquote")
    page.one(".asks [value=approve]").click()
    page.one(".asks [type=submit]").click()
    page.ended()
    assert page.all(".asks form") == []
    assert f"changed {key}" in page.text(".answer")
    assert marks.read_text().count(f"change {key} ") == 1
    assert page.errors() == []


def test_arguments_are_edited_in_a_form_of_the_tools_schema(browse: Open, marks: Path, key: str) -> None:
    page = browse()
    ask(page, key)
    page.one(".asks [value=edit]").click()
    assert [one.get_attribute("name") for one in page.all(".asks .columns [name]")] == ["key", "seconds"]
    field = page.one(".asks .columns [name=key]")
    field.clear()
    field.send_keys(f"other-{key}")
    page.one(".asks [type=submit]").click()
    page.ended()
    assert f"change other-{key} " in marks.read_text()
    assert f"change {key} " not in marks.read_text()


def test_a_call_is_rejected_with_the_keyboard_alone(browse: Open, marks: Path, key: str) -> None:
    page = browse()
    ask(page, key)
    page.driver.execute_script("document.querySelector('.asks [value=approve]').focus()")
    keys = ActionChains(page.driver)
    keys.send_keys(Keys.SPACE, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.TAB).perform()
    page.until(
        lambda: page.driver.switch_to.active_element.get_attribute("data-own") == "reason", "the field of the reason"
    )
    keys.send_keys("it serves customers", Keys.TAB, Keys.ENTER).perform()
    page.ended()
    assert "it serves customers" in page.text(".answer")
    assert f"change {key} " not in marks.read_text()


def test_the_inbox_counts_what_waits_and_leads_to_the_decision(
    browse: Open, system: System, marks: Path, key: str
) -> None:
    run = system.ask("change it", {"call": "counting_change", "args": {"key": key}, "id": key})["run"]["id"]
    waiting(system, run)
    page = browse(width=380, dark=True)
    page.open("/approvals/")
    assert page.text("nav [href='/approvals/'] .count") or page.all(".count"), "the navigation counts it"
    assert key in page.text("table.list")
    page.one("table.list a").click()
    page.until(lambda: page.all("main form.approval [value=approve]"), "the approval")
    page.one("[value=approve]").click()
    page.one("[data-own=remember]").click()
    page.one("main form.approval [type=submit]").click()
    page.until(lambda: page.text("h1") == "Approval", "that it is decided")
    assert system.ended(run)["state"] == "succeeded"
    page.open("/approvals/?show=asked")
    assert "counting · change" in page.text("#grants")
    page.one("#grants [data-revoke]").click()
    page.until(lambda: not page.all("#grants [data-revoke]"), "that it is asked about again")
    assert page.errors() == []


def test_the_chat_shows_what_waits_after_it_was_reloaded_and_events_were_lost(
    browse: Open, system: System, key: str
) -> None:
    asked = system.ask("change it", {"call": "counting_change", "args": {"key": key}, "id": key, "before": "Wait."})
    waiting(system, asked["run"]["id"])
    system.redis().delete(f"aiops:events:{asked['run']['id']}")
    page = browse()
    page.open(f"/c/{asked['conversation']}/")
    page.until(lambda: page.all(".asks form.approval [type=submit]"), "the question")
    assert page.text(".answer") == "Wait."
    page.one("[data-do=stop]").click()
    page.until(lambda: page.states() == ["cancelled"], "the end")
    assert page.all(".asks form") == []


def test_a_policy_is_added_and_changed(browse: Open) -> None:
    page = browse()
    page.open("/approvals/policies/")
    page.one("#row-form [name=position]").clear()
    page.one("#row-form [name=position]").send_keys("900")
    page.one("#row-form [name=server]").send_keys("nowhere")
    page.one("#row-form [type=submit]").click()
    page.until(lambda: page.text("h1") == "Policy 900", "the policy's page")
    page.one("#row-form [name=tool]").send_keys("reboot")
    page.one("#row-form [type=submit]").click()
    page.until(lambda: "server=nowhere tool=reboot" in page.text("main"), "the change")
    page.open("/approvals/policies/")
    page.one("tr[data-name='policy 900'] [data-do=delete]").click()
    page.until(lambda: page.all("dialog[open] .primary"), "the question")
    page.one("dialog[open] .primary").click()
    page.until(lambda: not page.all("tr[data-name='policy 900']"), "that it is gone")
    assert page.errors() == []
