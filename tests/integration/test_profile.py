"""The profile: password, tokens and sessions of one's own."""

from __future__ import annotations

import re

import pytest
from django.conf import settings as django_settings
from django.test import Client

from aiops.people import jobs, sessions
from aiops.people.models import ApiToken, BrowserSession, User
from aiops.settings import Settings
from aiops.web import throttle

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"
NEW = "another-horse-staple"


def sign_in(name: str = "ann", *, agent: str = "Firefox") -> Client:
    client = Client()
    fields = {"username": name, "password": PASSWORD}
    answer = client.post("/sign-in/", fields, headers={"User-Agent": agent})
    assert answer.status_code == 302, answer.content
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/profile/").status_code == 200


def test_a_token_made_on_the_page_works_is_shown_once_and_can_be_revoked(user: User) -> None:
    client = sign_in()
    made = client.post("/profile/tokens/", {"name": "script", "scope": "read", "expires_in_days": "30"})
    text = re.findall(r"aiops_[\w-]{40,}", made.content.decode())[0]
    headers = {"Authorization": f"Bearer {text}"}
    assert Client().get("/api/tokens/", headers=headers).json()["results"][0]["scope"] == "read"
    page = client.get("/profile/").content.decode()
    assert "script" in page
    assert text not in page
    token = ApiToken.objects.get()
    reloaded = client.post("/profile/tokens/", {"name": "script", "scope": "read", "expires_in_days": "30"})
    assert (reloaded.status_code, ApiToken.objects.count()) == (400, 1)
    assert "You have a token of this name" in reloaded.content.decode()
    assert client.post(f"/profile/tokens/{token.pk}/revoke/", follow=True).status_code == 200
    assert Client().get("/api/tokens/", headers=headers).status_code == 401


def test_a_token_without_a_name_is_refused_with_the_reason(user: User) -> None:
    answer = sign_in().post("/profile/tokens/", {"name": "", "scope": "full", "expires_in_days": ""})
    assert answer.status_code == 400
    assert "This field is required." in answer.content.decode()
    assert not ApiToken.objects.exists()


def test_tokens_and_sessions_of_others_can_be_neither_seen_nor_ended(user: User) -> None:
    User.objects.create_user("bob", password=PASSWORD)
    theirs, mine = sign_in("bob", agent="Their browser"), sign_in()
    theirs.post("/profile/tokens/", {"name": "theirs", "scope": "full", "expires_in_days": ""})
    session = BrowserSession.objects.get(user__username="bob")
    assert mine.post(f"/profile/tokens/{ApiToken.objects.get().pk}/revoke/").status_code == 404
    assert mine.post(f"/profile/sessions/{session.pk}/end/").status_code == 404
    assert mine.delete(f"/api/sessions/{session.pk}/").status_code == 404
    page = mine.get("/profile/").content.decode()
    assert "Their browser" not in page
    assert "theirs" not in page
    assert is_signed_in(theirs)


def test_each_session_is_listed_and_another_one_can_be_ended(user: User) -> None:
    here, there = sign_in(agent="Firefox here"), sign_in(agent="Chromium there")
    rows = here.get("/api/sessions/").json()["results"]
    assert [(row["agent"], row["is_current"]) for row in rows] == [("Chromium there", False), ("Firefox here", True)]
    assert "session_key" not in str(rows)
    page = here.get("/profile/").content.decode()
    assert "Chromium there" in page
    assert here.post(f"/profile/sessions/{rows[0]['id']}/end/").status_code == 302
    assert not is_signed_in(there)
    assert is_signed_in(here)
    assert here.delete(f"/api/sessions/{rows[1]['id']}/").status_code == 204
    assert not is_signed_in(here)
    assert not BrowserSession.objects.exists()


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(user: User) -> None:
    here, there = sign_in(), sign_in()
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    answer = here.post("/profile/password/", fields, follow=True)
    assert "Your password was changed. You were signed out of 1 other session." in answer.content.decode()
    assert is_signed_in(here)
    assert not is_signed_in(there)
    assert [row["is_current"] for row in here.get("/api/sessions/").json()["results"]] == [True]
    assert User.objects.get().check_password(NEW)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}, "The current password is wrong."),
        ({"old_password": PASSWORD, "new_password1": NEW, "new_password2": f"{NEW}x"}, "didn’t match"),
        ({"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}, "too short"),
    ],
)
def test_a_password_that_will_not_do_is_refused_with_the_reason(
    user: User, fields: dict[str, str], reason: str
) -> None:
    client = sign_in()
    answer = client.post("/profile/password/", fields)
    assert answer.status_code == 400
    assert reason in answer.content.decode()
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert is_signed_in(client)


def test_the_old_password_cannot_be_guessed_more_often_than_at_sign_in(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = sign_in()
    monkeypatch.setattr(throttle.time, "time", lambda: 1_000_000.0)  # no minute ends within a test
    fields = {"old_password": "wrong", "new_password1": NEW, "new_password2": NEW}
    most = django_settings.SETTINGS.sign_ins_per_minute
    here = {"REMOTE_ADDR": "192.0.2.77"}  # other tests count for other addresses
    codes = [client.post("/profile/password/", fields, **here).status_code for _ in range(most + 1)]
    assert (codes[0], codes[-1]) == (400, 429)
    right = {**fields, "old_password": PASSWORD}
    assert client.post("/profile/password/", right, **here).status_code == 429


def test_signing_out_removes_the_session_from_the_list(user: User) -> None:
    client, other = sign_in(), sign_in()
    client.post("/sign-out/")
    assert len(other.get("/api/sessions/").json()["results"]) == 1
    assert BrowserSession.objects.count() == 1


def test_rows_of_sessions_that_are_gone_are_removed(user: User) -> None:
    sign_in()
    BrowserSession.objects.create(session_key="gone", user=user)
    assert jobs.remove_expired(Settings())["browser_sessions"] == 1
    assert sessions.of(user).count() == BrowserSession.objects.count() == 1


def test_who_is_not_signed_in_is_sent_to_sign_in() -> None:
    assert Client().get("/profile/").headers["location"] == "/sign-in/?next=/profile/"
    assert Client().get("/api/sessions/").status_code == 401
