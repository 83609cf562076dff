"""What the pages say when something is gone, too old or wrong."""

from __future__ import annotations

import signal

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.acceptance import batching
from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open, do
from tests.acceptance.system import System, eventually


def test_a_form_that_is_too_old_says_what_to_do(browse: Open) -> None:
    page = browse()
    page.driver.execute_script("document.querySelector('[name=csrfmiddlewaretoken]').value = 'x'.repeat(64)")
    page.ask("hello")
    page.until(lambda: "reload it" in page.text("#composer-problem"), "the cure")


def test_a_failed_model_is_shown_with_its_cure(browse: Open) -> None:
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


def test_a_stopped_server_is_not_said_to_go_on_and_the_complaint_goes_when_it_is_back(
    browse: Open, system: System
) -> None:
    page = browse()
    page.ask(do(words=100, pause=0.05))
    page.until(lambda: "w2" in page.text(".answer"), "the first words")
    page.driver.execute_script("window.reach = fetch; window.fetch = () => Promise.reject(new TypeError('cut'))")
    for web in system.processes("uvicorn"):
        web.kill()
    page.until(lambda: page.text("#banner") == "The connection is lost; trying to connect again…", "the banner")
    page.ask("hello")
    page.until(lambda: "cannot be reached" in page.text("#composer-problem"), "the complaint")
    assert page.one("textarea").get_property("value") == "hello"
    page.driver.execute_script("window.fetch = window.reach")
    page.until(lambda: page.text("#composer-problem") == "", "the end of the complaint")
    page.until(lambda: page.text("#banner") == "", "the end of the banner")
    page.ended()


def test_the_page_of_a_batch_says_when_its_connection_is_lost_and_goes_on(browse: Open, system: System) -> None:
    page = browse()
    with system.client() as client:
        batch = batching.send(client, batching.lines(3, words=60, pause=0.05), max_concurrency=1)
    page.open(f"/batches/{batch['id']}/")
    page.until(lambda: page.text("#state") == "In progress", "the progress")
    for web in system.processes("uvicorn"):
        web.kill()
    page.until(lambda: "connection is lost" in page.text("#batch-problem"), "the line")
    page.until(lambda: page.text("#state") == "Completed", "the end", within_s=30)
    assert not page.one("#batch-problem").is_displayed()


def test_expired_memory_is_reported_and_the_conversation_goes_on(browse: Open, system: System) -> None:
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
    assert any("continue from the transcript" in text for text in notices)
    page.driver.refresh()
    assert page.texts(".notices li") == notices


def test_a_wrong_password_is_reported_and_tries_are_limited(system: System) -> None:
    page = Page(system)
    try:
        page.open("/sign-in/")
        refusals = 0
        while "Too many requests" not in page.texts("h1"):
            assert refusals <= 10, "a minute's limit is 5, and a new minute may begin once"
            before = page.driver.execute_script("return performance.timeOrigin")
            page.driver.find_element(By.NAME, "username").send_keys("admin")
            page.driver.find_element(By.NAME, "password").send_keys("wrong", Keys.ENTER)
            newer = "return performance.timeOrigin > arguments[0] && document.readyState == 'complete'"
            page.until(lambda: page.driver.execute_script(newer, before), "the answer")  # noqa: B023
            refusals += "do not match" in " ".join(page.texts(".problem"))
        assert refusals >= 5
    finally:
        page.close()
        # Later tests sign in, too, and failures are counted by the process and in Redis.
        for web in system.processes("uvicorn"):
            web.kill()
            web.wait(timeout=5)
        eventually(system.is_ready, what="the new web process")
        system.redis().delete(*system.redis().keys("aiops:throttle:sign-in*"))
