"""A rotation of the secret key signs nobody out, and receivers of webhooks need no new key at once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db.models.functions import Now
from django.test import Client
from pydantic import SecretStr

from aiops.errors import Unauthenticated
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.web import identity
from aiops.webhooks import delivering, signing
from config.local import backup
from config.local.home import Home
from tests.integration.conftest import Ask
from tests.integration.receivers import Receiver

pytestmark = pytest.mark.django_db(transaction=True)
OLD, NEW = "old-key-" + "o" * 60, "new-key-" + "n" * 60


@pytest.fixture
def session_key(user: User, settings: Any) -> str:
    """A session that was signed in with the old key; the new one is set since."""
    settings.SECRET_KEY = OLD
    client = Client()
    assert client.login(username="ann", password="correct-horse-battery")
    settings.SECRET_KEY = NEW
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def browser(session_key: str, settings: Any) -> Client:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = session_key
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/webhooks/").status_code == 200


def test_a_session_of_a_previous_key_stays_valid_and_survives_the_removal_of_that_key(
    session_key: str, settings: Any
) -> None:
    settings.SECRET_KEY_FALLBACKS = [OLD]
    client = browser(session_key, settings)
    assert is_signed_in(client)
    settings.SECRET_KEY_FALLBACKS = []
    assert is_signed_in(client)


def test_tabs_that_send_requests_at_the_same_moment_all_stay_signed_in(session_key: str, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [OLD]
    tabs = [browser(session_key, settings) for _ in range(2)]
    assert [is_signed_in(tab) for tab in tabs] == [True, True]
    assert is_signed_in(browser(session_key, settings)), "what one tab was answered must not end the session of others"


def test_a_stream_that_reconnects_first_does_not_sign_its_user_out(session_key: str, settings: Any, user: User) -> None:
    settings.SECRET_KEY_FALLBACKS = [OLD]
    found, held = identity.from_session(session_key)
    assert found == user
    assert identity.ended([held]) == set()
    assert is_signed_in(browser(session_key, settings))


def test_without_the_previous_key_everybody_signs_in_again(session_key: str, settings: Any) -> None:
    client = browser(session_key, settings)
    answer = client.get("/webhooks/")
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/?next=/webhooks/")
    with pytest.raises(Unauthenticated):
        identity.from_session(session_key)
    fields = {"username": "ann", "password": "correct-horse-battery"}
    assert client.post("/sign-in/", fields).status_code == 302
    assert is_signed_in(client)


def test_who_changes_a_password_gets_a_new_session(session_key: str, settings: Any, user: User) -> None:
    settings.SECRET_KEY_FALLBACKS = [OLD]
    User.objects.filter(pk=user.pk).update(is_staff=True)
    client = browser(session_key, settings)
    new = "horse-staple-9"
    fields = {"old_password": "correct-horse-battery", "new_password1": new, "new_password2": new}
    assert client.post("/admin/password_change/", fields).status_code == 302
    assert client.cookies[settings.SESSION_COOKIE_NAME].value != session_key
    assert not Session.objects.filter(pk=session_key).exists()
    assert is_signed_in(client)


def test_a_token_of_the_api_does_not_depend_on_the_secret_key(user: User, settings: Any) -> None:
    settings.SECRET_KEY = OLD
    _, text = tokens.issue(user, name="test")
    settings.SECRET_KEY = NEW
    assert Client().get("/api/webhooks/", headers={"Authorization": f"Bearer {text}"}).status_code == 200


def verifies(key: str, headers: dict[str, str], body: bytes) -> bool:
    """Check a delivery as the libraries of Standard Webhooks do: one right signature is enough."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    secret = base64.b64decode(key.removeprefix("whsec_"))
    right = "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(right, one) for one in headers["webhook-signature"].split(" "))


def test_receivers_verify_deliveries_with_the_key_from_before_and_with_the_one_from_after_a_rotation(
    ask: Ask, user: User, receiver: Receiver, settings: Any
) -> None:
    plain = settings.SETTINGS.model_copy(update={"webhook_networks": "127.0.0.0/8", "secret_key": SecretStr(OLD)})
    rotating = plain.model_copy(update={"secret_key": SecretStr(NEW), "secret_key_fallbacks": SecretStr(OLD)})
    ended = rotating.model_copy(update={"secret_key_fallbacks": SecretStr("")})
    before, after = signing.key_of(user.pk, plain), signing.key_of(user.pk, rotating)
    assert after == signing.key_of(user.pk, ended) != before
    for during in (plain, rotating, ended):
        Run.objects.filter(pk=ask(webhook=receiver.url).pk).update(state="succeeded", finished_at=Now())
        assert delivering.deliver(during)["delivered"] == 1
    verified = [(verifies(before, *one), verifies(after, *one)) for one in receiver.got]
    assert verified == [(True, False), (True, True), (False, True)]


@pytest.mark.parametrize("names", [("secret_key", "token"), ("secret_key", "token", "secret_key_fallbacks")])
def test_a_backup_has_the_previous_keys_where_there_are_any(tmp_path: Path, names: tuple[str, ...]) -> None:
    home, restored = Home(tmp_path / "home"), Home(tmp_path / "restored")
    home.path.mkdir()
    with closing(sqlite3.connect(home.database)) as rows:
        rows.execute("CREATE TABLE django_migrations (app, name)")
    for name in names:
        (home.path / name).write_text(name * 9)
    backup.make(home, tmp_path / "copy.tar.gz")
    backup.restore(tmp_path / "copy.tar.gz", restored)
    assert {path.name: path.read_text() for path in restored.path.iterdir() if path != restored.database} == {
        name: name * 9 for name in names
    }
