"""The list of runs and the page of one: who sees which, filters, paging, and the part that refreshes itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from aiops.people import tokens
from aiops.people.models import User
from aiops.runs import listing
from aiops.runs.models import Run
from aiops.web.pages import listing as paging
from tests.integration.conftest import Ask

pytestmark = pytest.mark.django_db


@pytest.fixture
def other() -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def overseer() -> User:
    made = User.objects.create_user("eve")
    made.user_permissions.add(Permission.objects.get(codename="view_all"))
    return made


def browser(user: User) -> Client:
    made = Client()
    made.force_login(user)
    return made


def names(user: User, query: dict[str, str] | None = None) -> list[str]:
    """Return the prompts on the page of runs."""
    answer = browser(user).get("/runs/", query or {})
    assert answer.status_code == 200
    return re.findall(r'<a href="/runs/[^"]+">([^<]*)</a>', answer.content.decode())


def asked(user: User, query: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return the rows of the API."""
    token = tokens.issue(user, name="x")[1]
    answer = Client().get("/api/runs/", query or {}, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def test_people_see_their_own_runs_and_holders_of_the_permission_everybodys(
    ask: Ask, user: User, other: User, overseer: User
) -> None:
    mine, theirs = ask("mine"), ask("theirs", user=other)
    assert names(user) == ["mine"]
    assert names(overseer) == ["theirs", "mine"]
    assert [row["prompt"] for row in asked(user)] == ["mine"]
    assert [(row["prompt"], row["user"]) for row in asked(overseer)] == [("theirs", "bob"), ("mine", "ann")]
    assert browser(user).get(f"/runs/{theirs.pk}/").status_code == 404
    assert browser(overseer).get(f"/runs/{theirs.pk}/").status_code == 200
    assert browser(user).get(f"/runs/{mine.pk}/").status_code == 200


def test_who_may_see_a_run_of_others_may_not_cancel_it(ask: Ask, overseer: User) -> None:
    run = ask("hello")
    headers = {"Authorization": f"Bearer {tokens.issue(overseer, name='x')[1]}"}
    assert Client().get(f"/api/runs/{run.pk}/", headers=headers).status_code == 200
    assert (
        Client().post(f"/api/runs/{run.pk}/cancel/", content_type="application/json", headers=headers).status_code
        == 404
    )
    body = {"state": "queued"}
    answer = Client().post("/api/runs/cancel/", body, content_type="application/json", headers=headers)
    assert answer.json() == {"runs": []}
    run.refresh_from_db()
    assert run.state == "queued"
    assert 'data-act="cancel"' not in browser(overseer).get(f"/runs/{run.pk}/").content.decode()


def test_runs_are_found_by_state_source_model_user_and_words(ask: Ask, user: User, other: User, overseer: User) -> None:
    first, second = ask("Is db01 up?"), ask("How full is web02?")
    third = ask("Which logs?", user=other)
    Run.objects.filter(pk=first.pk).update(state="failed", error={"code": "x", "detail": "no route to host"})
    Run.objects.filter(pk=second.pk).update(source="batch", usage={"model": "openai:gpt-x"})
    Run.objects.filter(pk=third.pk).update(source="schedule", answer="journald and syslog")
    for query, found in [
        ({"state": "failed"}, ["Is db01 up?"]),
        ({"source": "batch"}, ["How full is web02?"]),
        ({"model": "openai:gpt-x"}, ["How full is web02?"]),
        ({"user": "bob"}, ["Which logs?"]),
        ({"search": "db01"}, ["Is db01 up?"]),
        ({"search": "ROUTE"}, ["Is db01 up?"]),
        ({"search": "up  DB01"}, ["Is db01 up?"]),
        ({"search": "db01 journald"}, []),
        ({"search": "journald"}, ["Which logs?"]),
        ({"search": "db01", "state": "queued"}, []),
    ]:
        assert names(overseer, query) == found, query
        assert [row["prompt"] for row in asked(overseer, query)] == found, query
    assert names(user, {"user": "bob"}) == []


def test_a_filter_that_is_none_is_named(user: User) -> None:
    answer = browser(user).get("/runs/", {"state": "lost"})
    assert "state: " in answer.content.decode()
    token = {"Authorization": f"Bearer {tokens.issue(user, name='x')[1]}"}
    for query in ("source=lost", "source=", "user=", "model="):
        assert Client().get(f"/api/runs/?{query}", headers=token).status_code == 400, query


def test_filters_without_an_index_read_the_newest_runs_only(
    ask: Ask, overseer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [ask(f"number {n}") for n in range(4)]
    monkeypatch.setattr(listing, "NEWEST", 2)
    assert names(overseer, {"search": "number"}) == ["number 3", "number 2"]
    assert names(overseer) == ["number 3", "number 2", "number 1", "number 0"]
    assert len(runs) == 4


def test_pages_of_the_list_lead_to_older_and_newer_runs(ask: Ask, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "SIZE", 2)
    for n in range(5):
        ask(f"number {n}")
    page, seen = "", []
    for _ in range(3):
        text = browser(user).get(f"/runs/{page}").content.decode()
        seen.append(re.findall(r">(number \d)<", text))
        page = next(iter(re.findall(r'href="([^"]+)" rel="next"', text)), "")
    assert seen == [["number 4", "number 3"], ["number 2", "number 1"], ["number 0"]]
    assert page == ""
    newer = re.findall(r'href="([^"]+)" rel="prev"', text)[0]
    text = browser(user).get(f"/runs/{newer}").content.decode()
    assert re.findall(r">(number \d)<", text) == ["number 2", "number 1"]


def test_the_page_asks_again_for_its_rows_alone(ask: Ask, user: User) -> None:
    run = ask("hello")
    for path in ("/runs/", f"/runs/{run.pk}/"):
        whole, part = browser(user).get(path), browser(user).get(path, headers={"HX-Request": "true"})
        assert f'data-refresh="{path}"' in whole.content.decode()
        assert "<html" not in part.content.decode()
        assert part.content.decode().strip() in whole.content.decode()


def test_the_list_costs_the_same_number_of_queries_however_long_it_is(ask: Ask, user: User) -> None:
    counts = []
    client = browser(user)
    for _ in range(2):
        for n in range(5):
            ask(f"number {n}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get("/runs/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_the_page_of_a_run_shows_steps_events_and_what_was_hostile_as_text(ask: Ask, user: User) -> None:
    run = ask("<script>alert(1)</script>")
    step = {
        "call_id": "1",
        "server": "host",
        "tool": "load",
        "arguments": {"x": "<b>"},
        "status": "ok",
        "ms": 5.0,
        "preview": "<i>",
    }
    Run.objects.filter(pk=run.pk).update(
        state="succeeded",
        answer="**done** <script>alert(2)</script>",
        steps=[step],
        notices=[{"code": "x", "text": "<u>"}],
    )
    text = browser(user).get(f"/runs/{run.pk}/").content.decode()
    assert "<strong>done</strong>" in text
    assert "host · load" in text
    assert "Events are kept for" in text
    for hostile in ("<script>alert", "<b>", "<i>", "<u>"):
        assert hostile not in text


@pytest.mark.parametrize(("by_token", "source"), [(True, "api"), (False, "chat")])
def test_a_run_knows_whether_a_program_or_a_browser_asked(
    user: User, by_token: bool, source: str, sent: list[str]
) -> None:
    client = Client() if by_token else browser(user)
    headers = {"Authorization": f"Bearer {tokens.issue(user, name='x')[1]}"} if by_token else {}
    answer = client.post("/api/chat/", {"message": "hi"}, content_type="application/json", headers=headers)
    assert answer.status_code == 202, answer.content
    assert Run.objects.get().source == source


def test_a_run_that_succeeded_without_a_tool_is_not_shown_as_plain_success(ask: Ask, user: User) -> None:
    partly, wholly = ask("partly"), ask("wholly")
    Run.objects.filter(pk__in=[partly.pk, wholly.pk]).update(state="succeeded", answer="x")
    Run.objects.filter(pk=partly.pk).update(notices=[{"code": "tool_failed", "text": "The tool host · log failed."}])
    assert names(user, {"notice": "tool_failed"}) == ["partly"]
    assert [row["prompt"] for row in asked(user, {"notice": "tool_failed"})] == ["partly"]
    text = browser(user).get("/runs/").content.decode()
    assert re.findall(r'data-state="(\w+)">([^<]+)<', text) == [
        ("succeeded", "Succeeded"),
        ("partial", "A tool failed"),
    ]
    assert "A tool failed" in browser(user).get(f"/runs/{partly.pk}/").content.decode()
