"""The pages around the chat: finding, hostile text, the keyboard, the API's own page."""

from __future__ import annotations

import uuid

import pytest
from selenium.webdriver.common.keys import Keys

from tests.acceptance.pages.asking import Open, do


def test_the_conversation_can_be_renamed_searched_and_deleted(browse: Open) -> None:
    page = browse()
    page.ask(do("rename me"))
    page.ended()
    name = f"Router {uuid.uuid4().hex[:6]}"
    page.one("details.more summary").click()
    page.one("[data-do=rename]").click()
    box = page.one("#ask input")
    box.clear()
    box.send_keys(name, Keys.ENTER)
    page.until(lambda: page.texts(".bar h1") == [name], "the new title")
    page.one("[type=search]").send_keys(name)
    page.until(lambda: page.texts(".conversations .title") == [name], "the found one")
    page.one("details.more summary").click()
    page.one("[data-do=delete]").click()
    page.one("#ask .primary").click()
    page.until(lambda: page.texts(".welcome h2"), "the empty page")
    assert name not in page.texts(".conversations .title")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [380, 1200])
def test_hostile_text_is_shown_as_text_and_nothing_leaves_the_page(browse: Open, width: int, dark: bool) -> None:
    hostile = (
        '<img src=x onerror="document.title=1"> ![x](https://evil.example/x.png) <script>document.title=2</script>'
    )
    page = browse(width=width, dark=dark)
    page.ask(f"{hostile} {do(call='counting_look', args={'key': hostile}, id=uuid.uuid4().hex)}")
    page.ended()
    assert "onerror" in page.text(".bubble")
    page.driver.refresh()
    assert "onerror" in page.text(".bubble")
    assert page.driver.title not in ("1", "2")
    loaded = page.driver.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert [url for url in loaded if not url.startswith(page.system.url)] == []
    assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert page.errors() == []


def test_everything_can_be_done_from_the_keyboard(browse: Open) -> None:
    page = browse()

    def focused() -> str:
        return str(
            page.driver.switch_to.active_element.get_attribute("name") or page.driver.switch_to.active_element.text
        )

    def press(*keys: str) -> None:
        page.driver.switch_to.active_element.send_keys(*keys)

    assert focused() == "message"
    press(do(words=2), Keys.ENTER)
    page.ended()
    press(Keys.CONTROL, "k")
    assert focused() == "search"
    press(Keys.ESCAPE)
    assert focused() == "message"
    for name in ("", "Not helpful", "Helpful", "Retry", "Copy"):
        press(Keys.SHIFT, Keys.TAB)
        assert focused() == name
    page.driver.refresh()
    page.until(lambda: focused() == "message", "the message box, ready to be written in")
    page.driver.execute_script("document.querySelector('.skip').focus()")
    page.until(lambda: focused() == "To the message box", "the link past the list")
    page.driver.execute_script("window.stays = true")
    press(Keys.ENTER)
    page.until(lambda: focused() == "message", "the message box, by the link past the list")
    press("written at once")
    assert page.driver.execute_script("return window.stays"), "the page was loaded again"
    assert page.one("#message").get_attribute("value") == "written at once"


def test_the_api_page_needs_no_internet(browse: Open) -> None:
    page = browse()
    page.open("/api/docs/")
    page.until(lambda: page.all(".call"), "the calls")
    page.one("#find").send_keys("POST /api/tokens/")
    page.until(lambda: len([one for one in page.all(".call .method") if one.is_displayed()]) == 1, "the one call")
    loaded = page.driver.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert [url for url in loaded if not url.startswith(page.system.url)] == []
    assert page.errors() == []
