"""Saved prompts in the browser: saved, shared, edited, and picked in the chat by typing a slash."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open, do
from tests.acceptance.system import System


@pytest.fixture(autouse=True)
def _tidy(system: System) -> Iterator[None]:
    _remove_all(system)
    yield
    _remove_all(system)


def _remove_all(system: System) -> None:
    with system.client() as client:
        for prompt in client.get("/api/saved-prompts/").json()["results"]:
            client.delete(f"/api/saved-prompts/{prompt['id']}/").raise_for_status()


def save(page: Page, name: str, text: str) -> None:
    page.one("#prompt-form [name=name]").send_keys(name)
    page.one("#prompt-form [name=text]").send_keys(text)
    page.one("#prompt-form [type=submit]").click()
    page.until(lambda: name in page.texts("#prompts td:first-child"), f"the row of {name}")


def test_a_prompt_is_saved_picked_and_sent(browse: Open) -> None:
    page = browse()
    page.open("/saved-prompts/")
    asked = do("the disks", words=2)
    save(page, "disks", asked)
    save(page, "memory", "Which process uses the most memory?")
    page.open("/")
    box = page.one("#message")
    box.send_keys("/")
    page.until(lambda: len(page.all("#prompts li")) == 2, "the list")
    assert page.texts("#prompts strong") == ["disks", "memory"]
    box.send_keys(Keys.ARROW_DOWN)
    assert page.text("#prompts [aria-selected=true] strong") == "memory"
    box.send_keys("dis")
    page.until(lambda: page.texts("#prompts strong") == ["disks"], "the narrowed list")
    box.send_keys(Keys.ENTER)
    page.until(lambda: box.get_property("value") == asked, "the prompt")
    assert not page.one("#prompts").is_displayed()
    assert page.states() == [], "it is sent by its reader, not by the choice"
    box.send_keys(Keys.ENTER)
    page.ended()
    assert page.errors() == []


def test_escape_closes_the_list_and_a_slash_elsewhere_opens_none(browse: Open) -> None:
    page = browse(width=380)
    box = page.one("#message")
    box.send_keys("/")
    page.until(lambda: "There is no saved prompt yet" in page.text("#prompts"), "the empty list")
    box.send_keys(Keys.ESCAPE)
    page.until(lambda: not page.one("#prompts").is_displayed(), "the end of it")
    assert box.get_property("value") == "/"
    box.send_keys(Keys.BACK_SPACE, "df -h /var")
    assert not page.one("#prompts").is_displayed()
    box.clear()


def test_a_prompt_is_edited_shared_and_deleted(browse: Open) -> None:
    page = browse()
    page.open("/saved-prompts/")
    save(page, "disks", "Which <b>disks</b>?")
    assert page.texts("#prompts td:nth-child(2)") == ["Which <b>disks</b>?"]
    page.one("#prompts [data-do=edit]").click()
    page.until(lambda: page.text("#form-title") == "Edit disks", "the form")
    page.one("#prompt-form [name=text]").send_keys(" And why?")
    page.one("#prompt-form [type=submit]").click()
    page.until(lambda: page.texts("#prompts td:nth-child(2)") == ["Which <b>disks</b>? And why?"], "the change")
    page.one("[data-do=share]").click()
    page.until(lambda: page.texts("#prompts td:nth-child(3)") == ["everybody"], "the share")
    page.one("[data-do=delete]").click()
    page.until(lambda: "Delete the prompt disks?" in page.text("#ask p"), "the question")
    page.one("#ask .primary").click()
    page.until(lambda: page.all(".empty"), "the end of it")
    assert page.errors() == []
