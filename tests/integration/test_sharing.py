"""What is done with a whole conversation: pinned, shared by a link, saved as a file; and answers that are rated."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from aiops.conversations import turns
from aiops.conversations.models import Conversation
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs import transitions, waiting
from aiops.runs.models import Run
from tests.integration.conftest import Ask
from tests.integration.test_versions import answer

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(user: User, sent: list[str]) -> Client:
    token = tokens.issue(user, name="test")[1]
    return Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})


def browser_of(user: User) -> Client:
    made = Client(headers={"host": "localhost"})
    made.force_login(user)
    return made


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, body if body is not None else {}, "application/json")


def test_a_pinned_conversation_stands_above_the_others(client: Client, user: User, ask: Ask) -> None:
    first, second = ask("first"), ask("second")
    assert Conversation.objects.get(pk=first.conversation_id).pinned is False
    here = f"/api/conversations/{first.conversation_id}/"
    answered = client.patch(here, {"pinned": True}, "application/json")
    assert (answered.status_code, answered.json()["pinned"]) == (200, True)
    page = browser_of(user).get("/").content.decode()
    assert re.findall(r'class="title">([^<]*)<', page) == ["first", "second"]
    assert page.index("Pinned") < page.index(">first<")
    assert client.patch(here, {"pinned": 1}, "application/json").status_code == 400
    client.patch(here, {"pinned": False}, "application/json")
    page = browser_of(user).get("/").content.decode()
    assert "Pinned" not in page
    assert second.pk


def test_a_link_shows_what_was_there_to_all_who_are_signed_in(client: Client, ask: Ask) -> None:
    run = answer(ask("what is up?"), "**all** is well")
    made = post(client, f"/api/conversations/{run.conversation_id}/share/")
    assert made.status_code == 200
    url = made.json()["url"]
    assert re.fullmatch(r"http://localhost/shared/[\w-]{32}/", url)
    answer(ask("a secret", run.conversation_id), "an answer that came later")
    bob = browser_of(User.objects.create_user("bob"))
    page = bob.get(url).content.decode()
    assert "what is up?" in page
    assert "<strong>all</strong> is well" in page
    assert "a secret" not in page
    assert "came later" not in page
    assert "ann shares" in page
    assert 'data-do="retry"' not in page
    assert bob.get(f"/c/{run.conversation_id}/").status_code == 404
    assert Client(headers={"host": "localhost"}).get(url).status_code == 302  # to sign in


def test_sharing_again_shows_what_came_meanwhile_under_the_same_link(client: Client, user: User, ask: Ask) -> None:
    run = answer(ask("one"))
    here = f"/api/conversations/{run.conversation_id}/share/"
    url = post(client, here).json()["url"]
    answer(ask("two", run.conversation_id))
    assert post(client, here).json()["url"] == url
    assert re.findall(r'class="bubble">([^<]+)<', browser_of(user).get(url).content.decode()) == ["one", "two"]


def test_a_link_that_was_ended_does_not_work_and_does_not_come_back(client: Client, user: User, ask: Ask) -> None:
    here = f"/api/conversations/{ask('one').conversation_id}/share/"
    url = post(client, here).json()["url"]
    assert client.delete(here).status_code == 204
    assert browser_of(user).get(url).status_code == 404
    assert post(client, here).json()["url"] != url
    assert browser_of(user).get("/shared/%00/").status_code == 404


def test_only_its_owner_shares_a_conversation(client: Client, ask: Ask) -> None:
    run = ask("one")
    bob = User.objects.create_user("bob")
    other = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(bob, name='t')[1]}"})
    here = f"/api/conversations/{run.conversation_id}/share/"
    assert [post(other, here).status_code, other.delete(here).status_code] == [404, 404]
    reader = tokens.issue(run.user, name="r", scope="read")[1]
    reading = Client(headers={"host": "localhost", "authorization": f"Bearer {reader}"})
    assert post(reading, here).status_code == 403


def test_an_answer_is_rated_again_and_the_rating_is_taken_back(client: Client, user: User, ask: Ask) -> None:
    run = ask("one")
    here = f"/api/runs/{run.pk}/feedback/"
    assert post(client, here, {"value": "up"}).json()["code"] == "run_unfinished"
    answer(run)
    assert post(client, here, {"value": "up"}).json() == {"id": str(run.pk), "value": "up", "reason": ""}
    assert post(client, here, {"value": "down", "reason": "wrong disk"}).status_code == 200
    run.refresh_from_db()
    assert (run.feedback, run.feedback_reason) == ("down", "wrong disk")
    assert "wrong disk" in browser_of(user).get(f"/runs/{run.pk}/").content.decode()
    assert client.delete(here).status_code == 204
    run.refresh_from_db()
    assert (run.feedback, run.feedback_reason) == ("", "")


@pytest.mark.parametrize("body", [{}, {"value": "great"}, {"value": "up", "reason": 1}, {"value": "up", "x": 1}])
def test_other_ratings_are_refused(client: Client, ask: Ask, body: dict[str, Any]) -> None:
    run = answer(ask("one"))
    assert post(client, f"/api/runs/{run.pk}/feedback/", body).status_code == 400


def test_older_and_newer_turns_come_without_the_whole_page(
    user: User, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "ON_ONE_PAGE", 2)
    first = answer(ask("q0"))
    for n in range(1, 5):
        answer(ask(f"q{n}", first.conversation_id))
    browser = browser_of(user)

    def read(path: str) -> tuple[list[str], list[str]]:
        page = browser.get(path).content.decode().partition("<template")[0]
        return re.findall(r'class="bubble">([^<]+)<', page), re.findall(r'data-more="([^"]+)"', page)

    seen, (older,) = read(f"/c/{first.conversation_id}/")
    assert seen == ["q3", "q4"]
    seen, (older,) = read(older)
    assert seen == ["q1", "q2"]
    assert read(older) == (["q0"], [])
    seen, links = read(f"/c/{first.conversation_id}/?before=5")
    assert seen == ["q0", "q1"]
    (newer,) = links
    seen, (newer,) = read(newer)
    assert seen == ["q2", "q3"]
    assert read(newer) == (["q4"], [])


def test_a_queued_run_says_what_it_waits_for(user: User, ask: Ask) -> None:
    first = ask("one")
    second = ask("two", first.conversation_id)
    assert waiting.behind(second) == "Waiting behind 1 of yours in this conversation…"
    others = [ask(f"n{n}") for n in range(2)]
    for run in others:
        run.refresh_from_db()
    assert waiting.behind(others[1]) == "Waiting in the queue: 2 messages are ahead…"
    assert transitions.claim(str(first.pk), worker="w", lease_s=10)
    others[0].refresh_from_db()
    assert waiting.behind(others[0]) == "Next in the queue: the first free worker takes it."
    said = browser_of(user).get(f"/runs/{others[1].pk}/place/").content.decode()
    assert said == "No worker is running. Your message is kept and will be answered when one is back."
    answer(others[0])
    assert browser_of(user).get(f"/runs/{others[0].pk}/place/").content == b""


def test_runs_of_others_have_no_place(ask: Ask) -> None:
    run: Run = ask("one")
    assert browser_of(User.objects.create_user("bob")).get(f"/runs/{run.pk}/place/").status_code == 404
