"""Pages and calls that show many answers have one budget for all of them."""

from __future__ import annotations

import pytest
from django.test import Client

from aiops.conversations.models import Message
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web import markdown
from aiops.web.markdown import Cache
from tests.integration.conftest import Ask

ANSWERS = 6
TEXT = "~~a" * 1_000


@pytest.fixture
def conversation(ask: Ask, user: User, sent: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(markdown, "_answers", Cache(max_bytes=1_000_000))
    monkeypatch.setattr(markdown, "PAGE_STEPS", 5_000)
    run = ask()
    conversation = str(run.conversation_id)
    for n in range(ANSWERS):
        run = ask(conversation=run.conversation_id) if n else run
        answer = Message.objects.create(
            conversation_id=run.conversation_id, position=100 + n, role=Message.Role.ASSISTANT, text=f"{n} {TEXT}"
        )
        Run.objects.filter(pk=run.pk).update(state=State.SUCCEEDED, answer_id=answer.pk)
    return conversation


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_messages_beyond_the_budget_come_as_plain_text_and_are_rendered_later(
    conversation: str, browser: Client
) -> None:
    def plain_ones() -> int:
        answer = browser.get(f"/api/conversations/{conversation}/messages/?limit=200")
        shown = [row["html"] for row in answer.json()["results"] if row["role"] == "assistant"]
        assert len(shown) == ANSWERS
        return sum(html.startswith("<pre") for html in shown)

    assert (plain_ones(), plain_ones(), plain_ones()) == (4, 2, 0)


def test_the_chat_page_shows_the_answers_beyond_the_budget_as_plain_text(conversation: str, browser: Client) -> None:
    page = browser.get(f"/c/{conversation}/").content.decode()
    assert page.count('<pre class="plain">') == 4
    assert page.count("<p>0 <s>") == 1
