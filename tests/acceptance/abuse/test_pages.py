"""Hostile text wherever people, models and tools can put it, seen in Chromium: nothing runs, and no word leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.acceptance.browser import CHROMIUM, DRIVER, PASSWORD, Page
from tests.acceptance.hostile import LEAKS, MOVES, SCRIPTS, Home, texts
from tests.acceptance.system import System
from tests.conftest import missing

INSIDE = "script, img, iframe, svg, style, link, meta, object, embed, input, [style], [onerror], [onload], [hx-get]"
"""What no text may become."""
MAKE = """
import json
from django.utils import timezone
from aiops.conversations.models import Conversation, Message
from aiops.runs.models import Run
from aiops.events import stream, types
from aiops.people import tokens
from aiops.people.models import User

bad = json.loads({corpus!r})
all_of_it = "\\n\\n".join(bad)
who = User.objects.create_superuser("mal<b>lory", password={password!r})
arguments = {{t: t for t in bad}}
step = dict(call_id="c", server=bad[0], tool=bad[-1], arguments=arguments, status="error", ms=1, preview=all_of_it)
notices = [dict(code="tool_server_down", text=t) for t in bad]
talk = Conversation.objects.create(user=who, title=all_of_it[:200], last_position=4)


def make(n, state, **more):
    asked = Message.objects.create(conversation=talk, role="user", text=all_of_it, position=n)
    return Run.objects.create(conversation=talk, user=who, message=asked, position=n, state=state, deadline_s=9, **more)


done = make(1, "succeeded", answer=all_of_it, steps=[step], notices=notices, usage=dict(model=bad[0]))
Message.objects.create(pk=done.answer_id, conversation=talk, role="assistant", text=all_of_it, position=2)
make(3, "failed", error=dict(code="x", detail=all_of_it, retry=False), steps=[step], answer=all_of_it)
live = make(4, "running", fence=1, lease_until=timezone.now())
events = [
    ("run.started", dict(attempt=1, worker=bad[0])),
    *[("notice", dict(code="x", text=t)) for t in bad],
    ("tool.started", dict(call_id=bad[0], server=bad[0], tool=bad[-1], arguments=arguments)),
    ("tool.progress", dict(call_id=bad[0], progress=1, total=3, text=all_of_it)),
    ("tool.finished", dict(call_id=bad[0], status="error", ms=1, preview=all_of_it)),
    *[("message.delta", dict(message="m", text=t + "\\n\\n")) for t in bad],
]
for n, (kind, data) in enumerate(events, 1):
    stream.append_now({{str(live.pk): types.make(str(live.pk), types.EventId(1, n), kind, data)}}, ttl_s=600)
for text in bad:
    Conversation.objects.create(user=who, title=text[:200])
    tokens.issue(who, name=text[:100])
print(talk.pk, live.pk)
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    made = Home()
    yield made
    made.close()


@pytest.fixture(scope="module")
def corpus(home: Home) -> list[str]:
    return texts(home.url, LEAKS, MOVES, SCRIPTS)


@pytest.fixture(scope="module")
def planted(system: System, corpus: list[str]) -> Iterator[list[str]]:
    """The conversation and the running run that are full of it; the clock stands, or the reaper took the run back."""
    clocks = system.processes("config beat")
    for clock in clocks:
        clock.suspend()
    yield system.manage(MAKE.format(corpus=json.dumps(corpus), password=PASSWORD)).split()[-2:]
    for clock in clocks:
        clock.resume()


@pytest.fixture(scope="module")
def page(system: System, planted: list[str]) -> Iterator[Page]:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    made = Page(system)
    made.sign_in("mal<b>lory")
    yield made
    made.close()


def assert_nothing_ran(page: Page, home: Home) -> None:
    """Selenium fails by itself when a dialog is open."""
    assert page.driver.execute_script("return window.hacked") is None
    assert page.driver.current_url.startswith(page.system.url)
    loaded = page.driver.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)")
    assert [url for url in loaded if not url.startswith(page.system.url)] == []
    assert home.heard == []


def test_hostile_words_of_people_models_and_tools_stay_words(page: Page, home: Home, planted: list[str]) -> None:
    conversation, run = planted
    page.open(f"/c/{conversation}/")
    page.until(lambda: "autofocus" in page.texts(".turn .answer")[-1], "the live answer")
    page.until(lambda: len(page.all(f'[data-run="{run}"] .notices li')) > 40, "the live notices")
    assert [len(page.all(f".turn .{part}")) for part in ("steps .step", "answer")] == [3, 3]
    assert page.all(f".turns :is({INSIDE})") == []
    kinds = "return [...document.querySelectorAll('.answer a')].map((a) => a.protocol)"
    assert set(page.driver.execute_script(kinds)) <= {"http:", "https:", "mailto:"}
    for summary in page.all(".step summary"):
        summary.click()
    assert "onerror" in page.texts(".step .result")[0]
    assert_nothing_ran(page, home)
    assert page.errors() == []


def test_hostile_names_stay_names_in_lists_and_in_the_administration(page: Page, home: Home) -> None:
    page.open("/")
    page.one("[type=search]").send_keys("onerror")
    page.until(lambda: page.texts(".conversations .title") and "onerror" in page.text(".conversations .title"), "them")
    page.open("/?search=%22%3E%3Cimg%20src=x%20onerror=window.hacked=1%3E")
    assert "onerror" in page.text(".nothing")
    for path in ("/admin/people/apitoken/", "/admin/people/user/", "/admin/"):
        page.open(path)
        assert page.all("#content :is(script:not([src]), iframe, svg, [onerror], [onload])") == []
        assert_nothing_ran(page, home)
    assert page.errors() == []


def test_even_what_no_sanitiser_saw_runs_nothing_and_sends_nothing(page: Page, home: Home) -> None:
    page.open("/")
    add = "for (const t of arguments[0]) document.body.insertAdjacentHTML('beforeend', t)"
    page.driver.execute_script(add, texts(home.url, LEAKS, SCRIPTS))
    links = page.driver.find_elements(By.CSS_SELECTOR, "a[href^='javascript:']")
    page.driver.execute_script("arguments[0].forEach((a) => a.click())", links)
    refused = " ".join(page.until(page.errors, "the policy's word"))
    assert "Content Security Policy" in refused
    assert page.driver.execute_script("return window.hacked") is None
    assert home.heard == []


def test_a_failed_sign_in_and_its_next_page_are_no_way_out(system: System, page: Page, home: Home) -> None:
    page.driver.delete_all_cookies()
    page.open("/sign-in/?next=javascript:window.hacked=1")
    page.driver.find_element(By.NAME, "username").send_keys('"><img src=x onerror=window.hacked=1>')
    page.driver.find_element(By.NAME, "password").send_keys("wrong", Keys.ENTER)
    page.until(lambda: page.all(".problem"), "the refusal")
    assert "onerror" in page.one("[name=username]").get_property("value")
    assert_nothing_ran(page, home)
    for way_out in (home.url, home.url.removeprefix("http:"), "javascript:window.hacked=1", "\\\\localhost"):
        page.driver.delete_all_cookies()
        page.open(f"/sign-in/?next={way_out}")
        page.driver.find_element(By.NAME, "username").send_keys("mal<b>lory")
        page.driver.find_element(By.NAME, "password").send_keys(PASSWORD, Keys.ENTER)
        page.until(lambda: page.all("textarea[name=message]"), "the chat page")
        assert_nothing_ran(page, home)
