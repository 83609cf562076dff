"""The list beside the chat: all conversations can be reached, and a search shows what it found."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from aiops.conversations import sidebar
from aiops.conversations.models import Conversation, Message
from aiops.people.models import User

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 31, tzinfo=UTC)


@pytest.fixture
def client(user: User) -> Client:
    made = Client()
    made.force_login(user)
    return made


def titles(text: str) -> list[str]:
    return re.findall(r'class="title">([^<]*)<', text)


def test_every_conversation_can_be_reached_without_a_search(
    client: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sidebar, "SHOWN", 2)
    for n in range(5):
        Conversation.objects.create(user=user, title=f"number {n}", updated_at=NOW + timedelta(minutes=n))
    text = client.get("/").content.decode()
    assert titles(text) == ["number 4", "number 3"]
    for expected in (4, 5):
        (more,) = re.findall(r'hx-get="(/sidebar/[^"]+)"[^>]*>Show more', text)
        text = client.get(more).content.decode()
        assert len(titles(text)) == expected
    assert "Show more" not in text


@pytest.mark.parametrize("shown", ["-1", "x", "99999999999", "²", ""])
def test_nonsense_shows_the_beginning(client: Client, shown: str) -> None:
    assert client.get("/sidebar/", {"shown": shown}).status_code == 200


def test_a_search_shows_the_words_around_the_newest_hit_and_leads_to_its_turn(client: Client, user: User) -> None:
    conversation = Conversation.objects.create(user=user, title="Disks", last_position=4)
    for position, (role, text) in enumerate(
        [
            ("user", "first needle"),
            ("assistant", "x"),
            ("user", "and now?"),
            ("assistant", f"{'w ' * 60}<b>NEEDLE</b> end"),
        ],
        1,
    ):
        Message.objects.create(conversation=conversation, position=position, role=role, text=text)
    text = client.get("/sidebar/", {"search": "needle"}).content.decode()
    (hit,) = re.findall(r'class="hit">([^<]*)<', text)
    assert hit.startswith("… w w")
    assert "&lt;b&gt;NEEDLE&lt;/b&gt; end" in hit
    assert f'href="/c/{conversation.pk}/#turn-3"' in text
    Conversation.objects.filter(pk=conversation.pk).update(last_position=204)  # it is not among the newest turns
    text = client.get("/sidebar/", {"search": "needle"}).content.decode()
    assert f'href="/c/{conversation.pk}/?before=23#turn-3"' in text


def test_a_hit_in_the_title_alone_has_no_words_around_it(client: Client, user: User) -> None:
    Conversation.objects.create(user=user, title="needle")
    text = client.get("/sidebar/", {"search": "needle"}).content.decode()
    assert titles(text) == ["needle"]
    assert 'class="hit"' not in text


def test_a_hit_in_what_was_replaced_or_belongs_to_others_is_none(client: Client, user: User) -> None:
    mine = Conversation.objects.create(user=user, title="mine")
    Message.objects.create(conversation=mine, position=1, role="user", text="needle", rolled_back=True)
    theirs = Conversation.objects.create(user=User.objects.create_user("bob"), title="theirs")
    Message.objects.create(conversation=theirs, position=1, role="user", text="needle")
    assert "Nothing found" in client.get("/sidebar/", {"search": "needle"}).content.decode()
