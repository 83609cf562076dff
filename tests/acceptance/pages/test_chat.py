"""The chat page in a real browser: live answers, coming back, stopping, several windows."""

from __future__ import annotations

import uuid

import pytest
from selenium.webdriver.common.keys import Keys

from tests.acceptance.pages.asking import Open, do


def test_an_answer_streams_in_and_its_step_unfolds(browse: Open) -> None:
    page = browse()
    page.ask(do(call="host_uptime", id=uuid.uuid4().hex, words=30, pause=0.03))
    page.until(lambda: page.texts(".step .name") == ["host · uptime"], "the step")
    page.until(lambda: "w3" in page.text(".answer"), "the first words")
    page.ended()
    assert page.text(".answer").endswith("w29")
    page.one(".step summary").click()
    assert '"booted"' in page.text(".step .result")
    assert page.driver.current_url.count("/c/") == 1
    assert page.errors() == []


def test_reloading_in_mid_answer_shows_everything_once(browse: Open) -> None:
    page = browse()
    page.ask(do(words=60, pause=0.05))
    page.until(lambda: "w5" in page.text(".answer"), "the first words")
    page.driver.refresh()
    page.ended()
    assert page.texts(".answer") == [" ".join(f"w{n}" for n in range(60))]
    page.driver.refresh()
    assert page.texts(".answer") == [" ".join(f"w{n}" for n in range(60))]
    assert len(page.all(".turn")) == 1


def test_coming_back_later_on_another_device_finds_the_answer(browse: Open) -> None:
    first = browse()
    first.ask(do("from my desk", words=40, pause=0.05))
    first.until(lambda: "/c/" in first.driver.current_url, "the conversation")
    path = first.driver.current_url.removeprefix(first.system.url)
    first.driver.get("about:blank")
    second = browse(width=380, height=740)
    second.open(path)
    second.ended()
    assert second.texts(".answer") == [" ".join(f"w{n}" for n in range(40))]
    assert second.driver.execute_script("return document.documentElement.scrollWidth") <= 380
    second.one(".bar [data-do=sidebar]").click()
    second.until(lambda: any("from my desk" in t for t in second.texts(".conversations .title")), "the list")


def test_stop_keeps_what_was_said_and_retry_asks_again_in_its_place(browse: Open) -> None:
    page = browse()
    page.ask(do(words=100, pause=0.05))
    page.until(lambda: "w3" in page.text(".answer"), "the first words")
    page.one("[data-do=stop]").click()
    page.until(lambda: page.all('.turn[data-state="cancelled"]'), "the stop")
    assert page.text(".answer").startswith("w0 w1")
    assert "Stopped." in page.text(".meta")
    page.one("[data-do=retry]").click()
    page.until(lambda: page.texts(".versions") == ["‹ Version 2 of 2"], "the second version")
    page.one("textarea").send_keys(Keys.ESCAPE)
    page.until(lambda: page.states() == ["cancelled"], "the second stop")


@pytest.mark.parametrize("choice", ["enqueue", "interrupt", "rollback"])
def test_two_tabs_of_one_conversation_follow_each_on_busy(browse: Open, choice: str) -> None:
    page = browse()
    page.ask(do("one", words=50, pause=0.05))
    page.until(lambda: "w2" in page.text(".answer"), "the first words")
    url = page.driver.current_url
    page.driver.switch_to.new_window("tab")
    page.driver.get(url)
    page.until(lambda: page.all('.turn[data-state="running"]'), "the running turn")
    page.one(f"select[name=on_busy] option[value={choice}]").click()
    page.ask(do("two", words=3))
    states = {"enqueue": ["succeeded", "succeeded"], "interrupt": ["cancelled", "succeeded"], "rollback": ["succeeded"]}
    try:
        page.until(lambda: page.states() == states[choice], "the ends")
    except AssertionError as error:
        raise AssertionError(f"{error}: {page.states()} {page.text('main')[-400:]}") from error
    assert page.texts(".answer")[-1] == "w0 w1 w2"
    page.driver.refresh()
    assert page.states() == states[choice]


def test_two_clicks_send_a_message_once_and_a_draft_is_kept(browse: Open) -> None:
    page = browse()
    page.driver.execute_script(
        "const form = document.getElementById('composer'); form.elements.message.value = 'hello';"
        "form.requestSubmit(); form.requestSubmit();"
    )
    page.ended()
    assert len(page.all(".turn")) == 1
    page.one("textarea").send_keys("my draft")
    page.one("[data-do=retry]").click()
    page.until(lambda: page.texts(".versions"), "the second version")
    page.ended()
    assert page.one("textarea").get_property("value") == "my draft"
    page.driver.refresh()
    assert page.one("textarea").get_property("value") == "my draft"


def test_a_waiting_question_says_behind_how_many(browse: Open) -> None:
    page = browse()
    page.ask(do("one", words=60, pause=0.05))
    page.until(lambda: "w1" in page.text(".answer"), "the first words")
    page.ask(do("two"))
    page.until(lambda: page.texts(".turn .status")[-1:] == ["Waiting behind 1 of yours…"], "the line")
    page.ended(2)


def test_two_windows_of_a_conversation_stay_in_step(browse: Open) -> None:
    first, second = browse(), browse()
    first.ask(do("one"))
    first.ended()
    second.driver.get(first.driver.current_url)
    first.ask(do("two"))
    second.driver.execute_script("document.dispatchEvent(new Event('visibilitychange'))")
    second.ended(2)
    path = first.driver.current_url.removeprefix(first.system.url)
    with first.system.client() as client:
        client.delete(f"/api/conversations/{path.split('/')[2]}/")
    first.until(lambda: "was deleted" in first.text("#banner"), "the line")


def test_the_enter_that_ends_a_composition_sends_nothing(browse: Open) -> None:
    """As Safari sends it: after the composition, marked by its key code alone."""
    page = browse()
    press = """
        const box = document.querySelector("textarea");
        const keys = {key: "Enter", keyCode: arguments[0], bubbles: true, cancelable: true};
        const event = new KeyboardEvent("keydown", keys);
        box.dispatchEvent(event);
        return event.defaultPrevented;
    """
    assert page.driver.execute_script(press, 229) is False
    assert page.driver.execute_script(press, 13) is True
