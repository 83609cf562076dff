"""While the answers of one user are rendered, however long that takes, the requests of others are answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.test import Client
from starlette.testclient import TestClient

from aiops.conversations.models import Message
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web import markdown
from aiops.web.doors import front, handler, rendering
from aiops.web.highlighting import Clock
from aiops.web.markdown import Cache, Steps
from tests.acceptance.system import eventually
from tests.integration.conftest import Ask

pytestmark = pytest.mark.django_db(transaction=True)
COSTLY, CHEAP = "a costly answer", "a cheap answer"
VIEWERS = handler.THREADS + 8
"""More than any pool of the web process has threads."""


def as_user(user: User) -> dict[str, str]:
    """Return the headers of a browser in which somebody is signed in."""
    browser = Client()
    browser.force_login(user)
    return {"Cookie": f"aiops_session={browser.cookies['aiops_session'].value}"}


def answered(ask: Ask, user: User, text: str) -> Run:
    run = ask(user=user)
    answer = Message.objects.create(
        conversation_id=run.conversation_id, position=100, role=Message.Role.ASSISTANT, text=text
    )
    Run.objects.filter(pk=run.pk).update(state=State.SUCCEEDED, answer=text, answer_id=answer.pk)
    return run


@pytest.fixture
def web() -> Iterator[TestClient]:
    """The whole web process."""
    with TestClient(front.make(handler.Handler()), base_url="http://127.0.0.1") as client:
        yield client


class Parser:
    """Markdown's parser, which stays with a costly answer until it is let go."""

    def __init__(self) -> None:
        self.under_way = 0
        self.let_go = threading.Event()
        self._parse = markdown.parse

    def parse(self, text: str, steps: Steps, colours: Clock) -> str:
        if text == COSTLY:
            self.under_way += 1
            assert self.let_go.wait(120)
        return self._parse(text, steps, colours)


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Parser]:
    made = Parser()
    monkeypatch.setattr(markdown, "parse", made.parse)
    monkeypatch.setattr(markdown, "_answers", Cache(max_bytes=1_000_000))
    yield made
    made.let_go.set()


@pytest.mark.parametrize(
    ("path", "viewers", "at_once"),
    [
        ("/api/runs/{run}/events?render=html", VIEWERS, rendering.THREADS),
        ("/api/conversations/{conversation}/messages/", 1, 1),
        ("/c/{conversation}/", 1, 1),
    ],
)
def test_others_are_answered_while_costly_answers_are_rendered(
    web: TestClient, parser: Parser, ask: Ask, user: User, sent: list[str], path: str, viewers: int, at_once: int
) -> None:
    costly = answered(ask, user, COSTLY)
    bob = User.objects.create_user("bob")
    cheap = answered(ask, bob, CHEAP)
    ann, page_of_bob = as_user(user), as_user(bob)
    api_of_bob = {"Authorization": f"Bearer {tokens.issue(bob, name='t')[1]}"}
    path = path.format(run=costly.pk, conversation=costly.conversation_id)

    def get(path: str, headers: dict[str, str]) -> Any:
        return web.get(path, headers=headers)

    with ThreadPoolExecutor(viewers + 1) as threads:
        try:
            waiting = [threads.submit(get, path, ann) for _ in range(viewers)]
            eventually(lambda: parser.under_way >= at_once, within_s=60, what="the rendering")
            page = threads.submit(get, f"/c/{cheap.conversation_id}/", page_of_bob).result(60)
            call = threads.submit(get, f"/api/runs/{cheap.pk}/", api_of_bob).result(60)
            assert parser.under_way == at_once
            assert not any(one.done() for one in waiting)
        finally:
            parser.let_go.set()
        assert (page.status_code, f"<p>{CHEAP}</p>" in page.text) == (200, True)
        assert (call.status_code, call.json()["answer"]) == (200, CHEAP)
        assert all(COSTLY in one.result(60).text for one in waiting)
