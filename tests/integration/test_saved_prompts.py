"""Saved prompts: one's own and shared ones, and whose right it is to change them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.people import tokens
from aiops.people.models import User
from aiops.saved_prompts import saving
from aiops.saved_prompts.models import SavedPrompt

pytestmark = pytest.mark.django_db(transaction=True)
Call = Callable[..., Any]
PATH = "/api/saved-prompts/"


def calls(user: User) -> Call:
    web = Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='t')[1]}"})

    def call(method: str, path: str = "", body: Any = None, **headers: str) -> Any:
        sent = [] if body is None else [json.dumps(body).encode(), "application/json"]
        return web.generic(method, PATH + path, *sent, headers=headers)

    return call


@pytest.fixture
def ann(user: User) -> Call:
    return calls(user)


@pytest.fixture
def bob() -> Call:
    return calls(User.objects.create_user("bob", password="correct-horse-battery"))


def names(call: Call, query: str = "") -> list[str]:
    return [one["name"] for one in call("GET", query).json()["results"]]


def test_a_prompt_is_its_owners_until_it_is_shared(ann: Call, bob: Call) -> None:
    made = ann("POST", body={"name": "disks", "text": "Which disks\nare full?"})
    assert made.status_code == 201, made.content
    prompt = made.json()
    assert (prompt["text"], prompt["is_shared"], prompt["user"]) == ("Which disks\nare full?", False, "ann")
    assert names(bob) == []
    assert bob("GET", f"{prompt['id']}/").status_code == 404
    assert bob("DELETE", f"{prompt['id']}/").status_code == 404
    assert ann("PATCH", f"{prompt['id']}/", {"is_shared": True}).json()["is_shared"] is True
    assert names(bob) == ["disks"]
    assert bob("GET", f"{prompt['id']}/").json()["text"] == "Which disks\nare full?"


@pytest.mark.parametrize(
    ("method", "body"), [("PATCH", {"text": "evil"}), ("PUT", {"name": "a", "text": "evil"}), ("DELETE", None)]
)
def test_nobody_changes_what_somebody_else_shares(ann: Call, bob: Call, method: str, body: Any) -> None:
    prompt = ann("POST", body={"name": "a", "text": "x", "is_shared": True}).json()
    refused = bob(method, f"{prompt['id']}/", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert SavedPrompt.objects.get().text == "x"


def test_who_has_the_right_removes_what_others_share(ann: Call) -> None:
    prompt = ann("POST", body={"name": "a", "text": "x", "is_shared": True}).json()
    moderator = User.objects.create_user("mo", password="correct-horse-battery")
    moderator.user_permissions.set(Permission.objects.filter(codename="delete_savedprompt"))
    assert calls(moderator)("PATCH", f"{prompt['id']}/", {"text": "y"}).status_code == 403
    assert calls(moderator)("DELETE", f"{prompt['id']}/").status_code == 204


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "a"}, "text"),
        ({"text": "a"}, "name"),
        ({"name": "", "text": "a"}, "name"),
        ({"name": "a", "text": "  "}, "text"),
        ({"name": "a", "text": "x" * 40_000}, "text"),
        ({"name": "a" * 61, "text": "x"}, "name"),
        ({"name": "a", "text": "x", "is_shared": "yes"}, "is_shared"),
        ({"name": "a", "text": "x", "user": "bob"}, "user"),
    ],
)
def test_bad_fields_are_named(ann: Call, body: dict[str, Any], field: str) -> None:
    answer = ann("POST", body=body)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_name_is_used_once_by_each_person(ann: Call, bob: Call) -> None:
    first = ann("POST", body={"name": "a", "text": "x"}).json()
    assert bob("POST", body={"name": "a", "text": "x"}).status_code == 201
    again = ann("POST", body={"name": "a", "text": "y"})
    assert (again.status_code, again.json()["errors"]) == (400, {"name": [saving.TAKEN]})
    other = ann("POST", body={"name": "b", "text": "y"}).json()
    renamed = ann("PATCH", f"{other['id']}/", {"name": "a"})
    assert renamed.json()["errors"] == {"name": [saving.TAKEN]}
    assert ann("PUT", f"{first['id']}/", {"name": "c", "text": "z"}).json()["name"] == "c"


def test_a_repeated_request_saves_once(ann: Call) -> None:
    body = {"name": "a", "text": "x"}
    both = [ann("POST", body=body, **{"Idempotency-Key": "k"}).json()["id"] for _ in range(2)]
    assert both[0] == both[1]


def test_one_person_may_have_so_many(ann: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "MOST", 1)
    ann("POST", body={"name": "a", "text": "x"})
    assert ann("POST", body={"name": "b", "text": "x"}).status_code == 429


def test_lists_are_searched_and_paged_by_name(ann: Call, bob: Call) -> None:
    for name in ("c", "a", "ab"):
        ann("POST", body={"name": name, "text": "x", "is_shared": name == "c"})
    bob("POST", body={"name": "a", "text": "of bob", "is_shared": True})
    assert names(ann) == ["a", "a", "ab", "c"]
    assert names(ann, "?search=B") == ["ab"]
    assert names(ann, "?is_shared=true") == ["a", "c"]
    page, found = ann("GET", "?limit=2").json(), []
    while True:
        found += [one["name"] for one in page["results"]]
        if not page["next"]:
            break
        page = ann("GET", page["next"].partition(PATH)[2]).json()
    assert found == ["a", "a", "ab", "c"]
    assert ann("GET", "?text=x").status_code == 400
