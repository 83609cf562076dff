"""Accounts: administrators create, change and deactivate them, and nobody gives away more than they have."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from aiops.people import tokens
from aiops.people.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


@pytest.fixture
def helper() -> User:
    """Somebody who may see, add and change accounts, and nothing else."""
    made = User.objects.create_user("helper", password=PASSWORD)
    made.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "add_user", "change_user"]))
    return made


@pytest.fixture
def groups() -> None:
    Group.objects.create(name="harmless").permissions.add(Permission.objects.get(codename="view_user"))
    Group.objects.create(name="powerful").permissions.add(Permission.objects.get(codename="run_commands"))


def call(actor: User, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {tokens.issue(actor, name='x')[1]}"}
    options = {} if body is None else {"data": body, "content_type": "application/json"}
    return getattr(Client(), method)(f"/api/people/{path}", headers=headers, **options)


def browser(user: User) -> Client:
    made = Client()
    made.force_login(user)
    return made


def test_an_account_is_created_and_can_sign_in(root: User, groups: None) -> None:
    body = {"username": "ann", "password": PASSWORD, "groups": ["powerful"], "is_staff": True, "email": "a@example.org"}
    made = call(root, "post", "", body)
    assert made.status_code == 201, made.content
    assert (made.json()["groups"], made.json()["is_staff"]) == (["powerful"], True)
    assert Client().login(username="ann", password=PASSWORD)
    assert "password" not in made.json()


def test_a_deactivated_account_is_signed_out_everywhere_at_once(root: User, user: User) -> None:
    client, token = Client(), tokens.issue(user, name="x")[1]
    client.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    assert client.get("/profile/").status_code == 200
    assert call(root, "patch", f"{user.pk}/", {"is_active": False}).json()["is_active"] is False
    assert client.get("/profile/").status_code == 302
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().get("/api/runs/", headers=headers).status_code == 401
    assert call(root, "patch", f"{user.pk}/", {"is_active": True}).json()["is_active"] is True
    assert client.get("/profile/").status_code == 302, "a stolen session is not revived"
    assert Client().get("/api/runs/", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"username": "ann", "password": "short"}, 400, "too short"),
        ({"username": "root"}, 409, "already a user named root"),
        ({"username": "a b"}, 400, "username"),
        ({"username": "ann", "groups": ["none"]}, 400, "Unknown: none."),
        ({"username": "ann", "is_superuser": True}, 400, "is_superuser"),
        ({"username": "ann", "is_staff": "yes"}, 400, "is_staff"),
    ],
)
def test_an_account_that_will_not_do_is_refused_with_the_reason(
    root: User, body: dict[str, Any], status: int, reason: str
) -> None:
    answer = call(root, "post", "", body)
    assert (answer.status_code, reason in str(answer.json())) == (status, True), answer.content
    assert User.objects.count() == 1


def test_nobody_gives_away_more_than_they_have(helper: User, root: User, user: User, groups: None) -> None:
    refused = [
        call(helper, "post", "", {"username": "x", "groups": ["powerful"]}),
        call(helper, "post", "", {"username": "x", "is_staff": True}),
        call(helper, "patch", f"{user.pk}/", {"groups": ["powerful"]}),
        call(helper, "patch", f"{user.pk}/", {"is_staff": True}),
        call(helper, "patch", f"{root.pk}/", {"is_active": False}),
        call(helper, "patch", f"{helper.pk}/", {"is_staff": True}),
        call(helper, "patch", f"{helper.pk}/", {"is_active": False}),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert User.objects.count() == 3
    assert call(helper, "post", "", {"username": "x", "groups": ["harmless"]}).status_code == 201


def test_groups_beyond_ones_rights_are_kept(helper: User, user: User, groups: None) -> None:
    user.groups.set(Group.objects.all())
    changed = call(helper, "patch", f"{user.pk}/", {"groups": []})
    assert changed.json()["groups"] == ["powerful"]
    assert call(helper, "patch", f"{user.pk}/", {"groups": ["powerful", "harmless"]}).json()["groups"] == [
        "harmless",
        "powerful",
    ]


def test_who_lacks_the_permission_is_told_which_one(user: User, root: User) -> None:
    for answer in (call(user, "get", ""), call(user, "get", f"{root.pk}/"), call(user, "post", "", {"username": "x"})):
        assert answer.status_code == 403
        assert "people." in answer.json()["detail"]
    page = browser(user).get("/people/")
    assert page.status_code == 403
    assert "the permission people.view_user" in page.content.decode()
    assert "An administrator can give it to you" in page.content.decode()


def test_the_pages_create_change_and_deactivate(root: User, groups: None) -> None:
    client = browser(root)
    fields = {"username": "ann", "first_name": "<b>Ann</b>", "password": PASSWORD, "groups": ["harmless"]}
    page = client.post("/people/new/", fields, follow=True).content.decode()
    assert "The account ann was created." in page
    assert "&lt;b&gt;Ann&lt;/b&gt;" in page
    made = User.objects.get(username="ann")
    page = client.post(f"/people/{made.pk}/change/", {"first_name": "Ann", "groups": []}, follow=True).content.decode()
    assert "ann was changed." in page
    made.refresh_from_db()
    assert (made.is_active, list(made.groups.all()), made.first_name) == (False, [], "Ann")
    assert "Deactivated" in client.get("/people/").content.decode()


def test_a_form_that_is_refused_keeps_what_was_typed(root: User) -> None:
    answer = browser(root).post("/people/new/", {"username": "ann", "last_name": "Smith", "password": "short"})
    assert answer.status_code == 400
    assert "too short" in answer.content.decode()
    assert 'value="Smith"' in answer.content.decode()


def test_ones_own_account_can_be_saved_without_being_deactivated(root: User) -> None:
    client = browser(root)
    page = client.post(f"/people/{root.pk}/change/", {"first_name": "R"}, follow=True).content.decode()
    assert "root was changed." in page
    root.refresh_from_db()
    assert (root.is_active, root.is_staff, root.first_name) == (True, True, "R")


def test_pages_that_change_accounts_show_them_only_to_those_who_may_see_them(user: User, root: User) -> None:
    user.user_permissions.set(Permission.objects.filter(codename__in=["add_user", "change_user"]))
    client = browser(user)
    for path in ("/people/new/", f"/people/{root.pk}/change/"):
        answer = client.post(path, {"username": "", "email": "none"})
        assert answer.status_code == 403
        assert "root" not in answer.content.decode()
