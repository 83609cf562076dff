"""Editing a question and asking for another answer: what takes a turn's place, and what stays readable."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from aiops.attachments.models import Attachment
from aiops.batches.models import Batch
from aiops.conversations import transcript
from aiops.conversations.models import Conversation, Message
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs import accept, transitions
from aiops.runs.accept import NewItem
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import State
from aiops.runs.transitions import Ending
from aiops.runs.work.rows import memory_gap
from tests.integration.conftest import Ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(user: User, sent: list[str]) -> Client:
    token = tokens.issue(user, name="test")[1]
    return Client(headers={"host": "localhost", "authorization": f"Bearer {token}"})


@pytest.fixture
def browser(user: User) -> Client:
    made = Client()
    made.force_login(user)
    return made


def answer(run: Run, text: str = "fine") -> Run:
    claimed = transitions.claim(str(run.pk), worker="w", lease_s=10)
    assert claimed is not None
    assert transitions.finish(claimed.claim, Ending(State.SUCCEEDED, text, remembered=True))
    run.refresh_from_db()
    return run


@pytest.fixture
def three(ask: Ask) -> list[Run]:
    first = answer(ask("one"), "answer one")
    runs = [answer(ask(text, first.conversation_id), f"answer {text}") for text in ("two", "three")]
    return [first, *runs]


def post(client: Client, path: str, body: Any = None, **headers: str) -> Any:
    return client.post(path, body if body is not None else {}, "application/json", headers=headers or None)


def edit(client: Client, run: Run, text: str) -> Run:
    response = post(client, f"/api/messages/{run.message_id}/edit/", {"message": text})
    assert response.status_code == 202, response.content
    body = response.json()
    assert set(body) == {"conversation", "message", "run"}
    made = Run.objects.select_related("message").get(pk=body["run"]["id"])
    assert (str(made.message_id), made.state) == (body["message"], "queued")
    return made


def texts(conversation_id: object) -> list[str]:
    visible = transcript.visible(Conversation(pk=conversation_id))
    return list(visible.values_list("text", flat=True))


def shown(client: Client, conversation_id: object, query: str = "") -> list[str]:
    page = client.get(f"/c/{conversation_id}/{query.partition('#')[0]}").content.decode()
    return re.findall(r'class="bubble">([^<]+)<', page)


def test_an_edited_question_takes_the_place_of_its_turn_and_of_all_that_followed(
    client: Client, three: list[Run]
) -> None:
    made = edit(client, three[1], "zwei")
    assert texts(made.conversation_id) == ["one", "answer one", "zwei"]
    assert made.source == "api"


def test_regenerating_asks_the_same_with_the_same_options(client: Client, three: list[Run]) -> None:
    Run.objects.filter(pk=three[2].pk).update(options={"temperature": 0.5, "read_only": True}, deadline_s=7)
    response = post(client, f"/api/runs/{three[2].pk}/regenerate/")
    assert response.status_code == 202, response.content
    made = Run.objects.get(pk=response.json()["run"]["id"])
    assert (made.message.text, made.options, made.deadline_s) == ("three", {"temperature": 0.5, "read_only": True}, 7)
    assert texts(made.conversation_id) == ["one", "answer one", "two", "answer two", "three"]


def test_all_versions_stay_readable(client: Client, three: list[Run]) -> None:
    second = answer(edit(client, three[1], "zwei"), "antwort")
    third = edit(client, second, "deux")
    for run in (three[1], third):
        listed = client.get(f"/api/messages/{run.message_id}/versions/").json()["results"]
        assert [(row["text"], row["answer"], row["is_current"]) for row in listed] == [
            ("deux", "", True),
            ("zwei", "antwort", False),
            ("two", "answer two", False),
        ]
    by_answer = client.get(f"/api/messages/{three[1].answer_id}/versions/?limit=1").json()
    assert [row["run"] for row in by_answer["results"]] == [str(third.pk)]
    assert by_answer["next"]


def test_the_page_leads_through_the_versions_with_what_followed_each(
    client: Client, browser: Client, three: list[Run]
) -> None:
    second = answer(edit(client, three[1], "zwei"))
    third = answer(edit(client, second, "deux"))
    edit(client, three[0], "eins")
    conversation = third.conversation_id
    assert shown(browser, conversation) == ["eins"]
    page = browser.get(f"/c/{conversation}/").content.decode()
    (earlier,) = re.findall(rf'href="/c/{conversation}/([^"]+)" aria-label="Earlier version"', page)
    assert shown(browser, conversation, earlier) == ["one", "deux"]
    page = browser.get(f"/c/{conversation}/{earlier.partition('#')[0]}").content.decode()
    assert "Version 3 of 3" in page
    assert 'data-do="edit"' not in page.partition("<template")[0]
    (before,) = re.findall(rf'href="/c/{conversation}/([^"]+)" aria-label="Earlier version"', page)
    assert shown(browser, conversation, before) == ["one", "zwei"]
    page = browser.get(f"/c/{conversation}/{before.partition('#')[0]}").content.decode()
    first = re.findall(rf'href="/c/{conversation}/([^"]+)" aria-label="Earlier version"', page)[-1]
    assert shown(browser, conversation, first) == ["one", "two", "three"]


def test_memory_begins_with_what_stays_when_it_knows_replaced_turns(client: Client, three: list[Run]) -> None:
    made = edit(client, three[1], "zwei")
    gap = memory_gap(str(made.pk), str(three[2].pk))
    assert gap.stale
    assert [message.text for message in gap.missing] == ["one", "answer one"]


def test_a_running_turn_is_stopped_when_it_is_replaced(client: Client, ask: Ask) -> None:
    running = ask("one")
    assert transitions.claim(str(running.pk), worker="w", lease_s=10)
    queued = ask("two", running.conversation_id)
    made = edit(client, running, "eins")
    running.refresh_from_db()
    queued.refresh_from_db()
    assert running.cancel_requested_at is not None
    assert queued.state == State.CANCELLED
    assert texts(made.conversation_id) == ["eins"]


def test_a_turn_is_replaced_once(client: Client, three: list[Run]) -> None:
    edit(client, three[1], "zwei")
    for path, body in (
        (f"/api/messages/{three[1].message_id}/edit/", {"message": "x"}),
        (f"/api/messages/{three[2].message_id}/edit/", {"message": "x"}),
        (f"/api/runs/{three[1].pk}/regenerate/", {}),
    ):
        response = post(client, path, body)
        assert (response.status_code, response.json()["code"]) == (409, "not_editable")


def test_the_same_key_edits_once(client: Client, three: list[Run]) -> None:
    path = f"/api/messages/{three[0].message_id}/edit/"
    responses = [post(client, path, {"message": "x"}, **{"idempotency-key": "k"}) for _ in range(2)]
    assert [r.status_code for r in responses] == [202, 202]
    assert responses[0].json() == responses[1].json()
    assert Run.objects.filter(version_of=three[0].pk).count() == 2


def test_attachments_go_with_each_version(client: Client, user: User, three: list[Run]) -> None:
    message = three[2].message
    row = Attachment.objects.create(user=user, message=message, name="a.log", text="eth0", bytes=4)
    Message.objects.filter(pk=message.pk).update(attachments=[{"id": str(row.pk), "name": "a.log", "bytes": 4}])
    made = Run.objects.get(pk=post(client, f"/api/runs/{three[2].pk}/regenerate/").json()["run"]["id"])
    (attached,) = made.message.attachments or []
    assert (attached["name"], attached["bytes"]) == ("a.log", 4)
    copied = Attachment.objects.get(pk=attached["id"])
    assert (copied.message_id, copied.text) == (made.message_id, "eth0")
    assert Attachment.objects.get(pk=row.pk).message_id == message.pk


def test_others_messages_do_not_exist(three: list[Run]) -> None:
    bob = User.objects.create_user("bob")
    client = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(bob, name='t')[1]}"})
    for path in (f"/api/messages/{three[0].message_id}/edit/", f"/api/runs/{three[0].pk}/regenerate/"):
        assert post(client, path, {"message": "x"} if "edit" in path else {}).status_code == 404
    assert client.get(f"/api/messages/{three[0].message_id}/versions/").status_code == 404
    assert client.get(f"/api/messages/{uuid.uuid4()}/versions/").status_code == 404


def test_items_of_batches_are_not_edited(client: Client, user: User) -> None:
    item = NewItem("t", [("system", "be brief"), ("user", "x")], RunOptions(deadline_s=9))
    (run,) = accept.accept_items([item], user_id=user.pk)
    assert Batch.objects.count() == 0
    system = Message.objects.get(conversation=run.conversation_id, role="system")
    for message_id in (run.message_id, system.pk):
        response = post(client, f"/api/messages/{message_id}/edit/", {"message": "y"})
        assert (response.status_code, response.json()["code"]) == (409, "not_editable")


@pytest.mark.parametrize("body", [{}, {"message": " "}, {"message": "x", "model": "y"}, {"message": "é" * 20_000}])
def test_an_edit_is_validated_like_a_message(client: Client, three: list[Run], body: dict[str, Any]) -> None:
    response = post(client, f"/api/messages/{three[0].message_id}/edit/", body)
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert texts(three[0].conversation_id)[0] == "one"


def test_one_turn_is_shown_alone_and_more_on_demand(browser: Client, three: list[Run]) -> None:
    here = f"/c/{three[0].conversation_id}/turns/"
    alone = browser.get(here, {"run": str(three[1].pk)}).content.decode()
    assert re.findall(r'class="bubble">([^<]+)<', alone) == ["two"]
    older = browser.get(here, {"before": three[2].position}).content.decode()
    assert re.findall(r'class="bubble">([^<]+)<', older) == ["one", "two"]
    newer = browser.get(here, {"after": three[0].position}).content.decode()
    assert re.findall(r'class="bubble">([^<]+)<', newer) == ["two", "three"]
    assert browser.get(here, {"run": "x"}).status_code == 200
