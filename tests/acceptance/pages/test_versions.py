"""What can be done with one turn: edited, asked again, rated; with files attached."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open, do


def words(page: Page, selector: str) -> list[str]:
    return [" ".join(text.split()) for text in page.texts(selector)]


def test_a_question_is_edited_in_place_and_its_earlier_version_is_read(browse: Open) -> None:
    page = browse()
    page.ask(do("first", words=2))
    page.ended()
    page.ask(do("second", words=3))
    page.ended(2)
    page.one("[data-do=edit]").click()
    box = page.one(".edit textarea")
    assert box.get_property("value").startswith("first")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys(do("changed", words=4))
    page.one(".edit .primary").click()
    page.until(lambda: page.texts("#ask p") and "earlier version" in page.text("#ask p"), "the question")
    page.one("#ask .primary").click()
    page.until(lambda: page.texts(".versions") == ["‹ Version 2 of 2"], "the new version")
    page.ended()
    assert page.texts(".answer") == ["w0 w1 w2 w3"]
    page.one(".versions a").click()
    page.until(lambda: len(page.all(".turn")) == 2, "the earlier version with what followed it")
    assert page.texts(".answer") == ["w0 w1", "w0 w1 w2"]
    assert "earlier version" in page.text(".past")
    assert not page.one("#composer").is_displayed()
    page.one(".past a").click()
    page.until(lambda: page.texts(".answer") == ["w0 w1 w2 w3"], "the current version")
    assert page.errors() == []


def test_an_edit_can_be_left_and_changes_nothing(browse: Open) -> None:
    page = browse()
    page.ask(do("keep me", words=2))
    page.ended()
    page.one("[data-do=edit]").click()
    page.one(".edit textarea").send_keys("x")
    page.one("[data-do=leave]").click()
    assert page.text(".bubble").startswith("keep me")
    assert page.all(".edit") == []
    assert page.driver.switch_to.active_element.text == "Edit"


def test_an_answer_is_rated(browse: Open) -> None:
    page = browse()
    page.ask(do(words=2))
    page.ended()

    def pressed() -> list[str]:
        return [str(page.one(f"[data-do={name}]").get_attribute("aria-pressed")) for name in ("up", "down")]

    page.one("[data-do=up]").click()
    page.until(lambda: pressed() == ["true", "false"], "the good rating")
    page.until(lambda: page.text("#toast").startswith("Thank you"), "what it did")
    assert page.text("#composer-problem") == ""
    page.one("[data-do=down]").click()
    page.one("#ask input").send_keys("wrong disk", Keys.ENTER)
    page.until(lambda: pressed() == ["false", "true"], "the bad rating")
    page.driver.refresh()
    assert pressed() == ["false", "true"]
    assert page.one("[data-do=down]").get_attribute("title") == "wrong disk"
    page.one("[data-do=down]").click()
    page.until(lambda: pressed() == ["false", "false"], "no rating")


def test_a_long_text_that_is_pasted_goes_as_an_attachment(browse: Open) -> None:
    page = browse()
    page.driver.execute_script(
        "const data = new DataTransfer(); data.setData('text/plain', 'eth0 is down\\n'.repeat(500));"
        "document.getElementById('message').dispatchEvent("
        "new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));"
    )
    page.until(lambda: words(page, "#attached li:not(.on-its-way)") == ["pasted.txt 6.3 KB ×"], "the attachment")
    assert page.one("#message").get_property("value") == ""
    page.ask(do("what is it?", words=2))
    page.ended()
    assert page.all("#attached li") == []
    assert words(page, ".turn .attached li") == ["pasted.txt 6.3 KB"]
    page.driver.refresh()
    link = page.one(".turn .attached a")
    assert link.text == "pasted.txt"
    page.driver.get(str(link.get_attribute("href")))
    assert page.text("body").startswith("eth0 is down")
    assert page.errors() == []


def test_a_file_is_attached_and_removed_and_one_that_is_no_text_is_refused(browse: Open, tmp_path: object) -> None:
    page = browse()
    log, image = f"{tmp_path}/a.log", f"{tmp_path}/a.png"
    for path, content in ((log, b"one\n"), (image, b"\x89PNG\0\0")):
        with open(path, "wb") as file:
            file.write(content)
    page.driver.find_element(By.ID, "file").send_keys(log)
    page.until(lambda: words(page, "#attached li:not(.on-its-way)") == ["a.log 4 bytes ×"], "the file")
    page.one("[aria-label='Remove a.log']").click()
    assert page.all("#attached li") == []
    page.driver.find_element(By.ID, "file").send_keys(image)
    page.until(lambda: "a.png is not attached" in page.text("#composer-problem"), "the reason")
    assert page.all("#attached li") == []


@pytest.mark.parametrize("width", [380, 1200])
def test_the_button_to_the_end_is_there_when_the_end_is_not(browse: Open, width: int) -> None:
    page = browse(width=width)
    page.ask(do(words=2_000))
    page.ended()
    page.until(lambda: page.text(".answer").endswith("w1999"), "the whole answer")
    page.driver.refresh()

    def button() -> bool:
        return bool(page.one("[data-do=end]").is_displayed())

    page.until(lambda: not button(), "no button at the end")
    page.driver.execute_script("document.getElementById('turns').scrollTop = 0")
    page.until(button, "the button")
    page.one("[data-do=end]").click()
    page.until(lambda: not button(), "the end")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_a_conversation_is_pinned_shared_and_saved(browse: Open) -> None:
    page = browse()
    page.ask(do("share me", words=2))
    page.ended()

    def choose(what: str) -> None:
        page.one("details.more summary").click()
        page.one(f".popup [data-do={what}]").click()

    choose("pin")
    page.until(lambda: page.texts(".conversations .group") == ["Pinned"], "the pin")
    page.until(lambda: "share me" in page.texts(".pinned .title")[0], "the pinned one")
    choose("share")
    page.one("#ask .primary").click()
    page.until(lambda: "/shared/" in str(page.one("#ask input").get_property("value")), "the link")
    link = str(page.one("#ask input").get_property("value"))
    page.one("#ask .primary").click()
    home = page.driver.current_url
    page.driver.get(link)
    assert page.texts(".answer") == ["w0 w1"]
    assert "You can read it" in page.text("main")
    page.driver.get(home)
    page.one("details.more summary").click()
    for form, expected in (("markdown", "## Question"), ("json", '"messages"')):
        saved = page.driver.execute_async_script(
            "fetch(document.querySelector(arguments[0]).href).then((r) => r.text()).then(arguments[1])",
            f"[data-export={form}]",
        )
        assert expected in saved
        assert "w0 w1" in saved
    page.one(".popup [data-do=unshare]").click()
    page.until(lambda: not page.driver.find_element(By.CSS_SELECTOR, "[data-do=unshare]").is_displayed(), "the end")
    page.driver.get(link)
    assert "not" in page.text("main")
    assert page.texts(".answer") == []
