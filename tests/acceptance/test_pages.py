"""The chat page in a real browser: live answers, coming back, stopping, and what is told when something is gone."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Callable, Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.acceptance.browser import CHROMIUM, DRIVER, PASSWORD, Page
from tests.acceptance.system import System, eventually
from tests.conftest import missing

Open = Callable[..., Page]


def do(text: str = "tell", /, **orders: object) -> str:
    return f"{text} {uuid.uuid4().hex[:6]} DO {json.dumps(orders)}"


@pytest.fixture(scope="module", autouse=True)
def _password(system: System) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
    system.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")


@pytest.fixture(scope="module")
def signed_in() -> Iterator[dict[str, Page]]:
    """Browsers that are signed in, by what they were asked to be."""
    pages: dict[str, Page] = {}
    yield pages
    for page in pages.values():
        page.close()


@pytest.fixture
def browse(system: System, signed_in: dict[str, Page]) -> Open:
    used: list[str] = []

    def make(**options: object) -> Page:
        key = f"{sorted(options.items())}"
        used.append(key)
        key += f"#{used.count(key)}"
        if key in signed_in:
            return signed_in[key].fresh()
        signed_in[key] = Page(system, **options).sign_in()  # type: ignore[arg-type]
        return signed_in[key]

    return make


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
    second.one("[data-do=sidebar]").click()
    second.until(lambda: any("from my desk" in t for t in second.texts(".conversations .title")), "the list")


def test_stop_keeps_what_was_said_and_retry_asks_again(browse: Open) -> None:
    page = browse()
    page.ask(do(words=100, pause=0.05))
    page.until(lambda: "w3" in page.text(".answer"), "the first words")
    page.one("[data-do=stop]").click()
    page.until(lambda: page.all('.turn[data-state="cancelled"]'), "the stop")
    assert page.text(".answer").startswith("w0 w1")
    assert "Stopped." in page.text(".meta")
    page.one("[data-do=retry]").click()
    page.until(lambda: len(page.all(".turn")) == 2, "the second turn")
    page.one("textarea").send_keys(Keys.ESCAPE)
    page.until(lambda: len(page.all('.turn[data-state="cancelled"]')) == 2, "the second stop")


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


def test_two_clicks_ask_once_and_a_draft_is_kept(browse: Open) -> None:
    page = browse()
    page.driver.execute_script(
        "const form = document.getElementById('composer'); form.elements.message.value = 'hello';"
        "form.requestSubmit(); form.requestSubmit();"
    )
    page.ended()
    assert len(page.all(".turn")) == 1
    page.one("textarea").send_keys("my draft")
    page.one("[data-do=retry]").click()
    page.ended(2)
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


def test_two_windows_side_by_side_stay_in_step(browse: Open) -> None:
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


def test_a_form_that_is_too_old_says_what_to_do(browse: Open) -> None:
    page = browse()
    page.driver.execute_script("document.querySelector('[name=csrfmiddlewaretoken]').value = 'x'.repeat(64)")
    page.ask("hello")
    page.until(lambda: "reload it" in page.text("#composer-problem"), "the cure")


def test_a_failed_model_is_told_with_its_cure(browse: Open) -> None:
    page = browse()
    page.ask(do(fail=[401]))
    page.until(lambda: page.all('.turn[data-state="failed"]'), "the failure")
    assert "OPENAI_API_KEY" in page.text(".turn .problem")


def test_without_a_worker_the_page_says_so_and_the_answer_comes_when_one_is_back(browse: Open, system: System) -> None:
    page = browse()
    system.signal(signal.SIGSTOP)
    system.redis().delete("aiops:workers")
    try:
        page.ask(do("anyone there"))
        page.until(lambda: "No worker is running" in page.text(".status"), "the line", within_s=20)
    finally:
        system.signal(signal.SIGCONT)
    page.ended()


def test_when_the_connection_goes_the_page_says_so_and_recovers(browse: Open, system: System) -> None:
    page = browse()
    page.ask(do(words=100, pause=0.05))
    page.until(lambda: "w2" in page.text(".answer"), "the first words")
    for web in system.processes("uvicorn"):
        web.kill()
    page.until(lambda: "connection is lost" in page.text("#banner"), "the banner")
    page.ended()
    assert page.texts(".answer") == [" ".join(f"w{n}" for n in range(100))]
    assert page.texts("#banner") == [""]


def test_expired_memory_is_told_and_one_can_go_on(browse: Open, system: System) -> None:
    page = browse()
    page.ask(do())
    page.ended()
    conversation = page.driver.current_url.rstrip("/").split("/")[-1]
    system.manage(
        "from aiops.conversations.models import Conversation\n"
        f"Conversation.objects.filter(pk='{conversation}').update(memory_used_at=None)"
    )
    system.redis().delete(f"aiops:memory:{conversation}")
    page.driver.refresh()
    assert "has expired" in page.text("#expired")
    page.one("[data-do=go-on]").click()
    page.ask(do("again"))
    page.ended(2)
    notices = page.texts(".notices li")
    assert any("go on from the transcript" in text for text in notices)
    page.driver.refresh()
    assert page.texts(".notices li") == notices


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
    press(Keys.SHIFT, Keys.TAB)
    press(Keys.SHIFT, Keys.TAB)
    assert focused() == "Copy"
    page.driver.refresh()
    page.one("body").send_keys(Keys.TAB)
    page.driver.execute_script("document.querySelector('.skip').focus()")
    press(Keys.ENTER)
    page.until(lambda: focused() == "message", "the message box, by the link past the list")


def test_a_wrong_password_is_told_and_tries_are_limited(system: System) -> None:
    page = Page(system)
    try:
        page.open("/sign-in/")
        told = 0
        while "Too many tries" not in page.texts("h1"):
            assert told <= 10, "a minute's limit is 5, and a new minute may begin once"
            before = page.driver.execute_script("return performance.timeOrigin")
            page.driver.find_element(By.NAME, "username").send_keys("admin")
            page.driver.find_element(By.NAME, "password").send_keys("wrong", Keys.ENTER)
            newer = "return performance.timeOrigin > arguments[0] && document.readyState == 'complete'"
            page.until(lambda: page.driver.execute_script(newer, before), "the answer")  # noqa: B023
            told += "do not match" in " ".join(page.texts(".problem"))
        assert told >= 5
    finally:
        page.close()
        for web in system.processes("uvicorn"):
            web.kill()  # the count is the process's own, and later tests sign in too
            web.wait(timeout=5)
        eventually(system.is_ready, what="the new web process")


def test_the_api_page_needs_no_internet(browse: Open) -> None:
    page = browse()
    page.open("/api/docs/")
    page.until(lambda: page.all(".opblock"), "the calls")
    loaded = page.driver.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert [url for url in loaded if not url.startswith(page.system.url)] == []
    assert page.errors() == []
