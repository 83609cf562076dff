"""Wrong tokens cost no query once there were many; what has ended lets nobody in."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.test import Client

from aiops import keyspace
from aiops.errors import TooMany, Unauthenticated
from aiops.people import tokens
from aiops.people.models import User
from aiops.web import identity, throttle
from aiops.web.identity import Pass

pytestmark = pytest.mark.django_db
GUESSER = "203.0.113.9"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    cache.clear()
    monkeypatch.setattr(throttle.time, "time", lambda: 1_000_000.0)  # no minute ends within a test
    yield
    cache.clear()


def header(text: str = "") -> str:
    return f"Bearer {text or tokens.PREFIX + secrets.token_urlsafe(32)}"


def guess_until_refused(settings) -> None:
    for _ in range(settings.SETTINGS.sign_ins_per_minute * identity.WRONG_TOKENS):
        with pytest.raises(Unauthenticated):
            identity.from_header(header(), address=GUESSER)


def test_after_many_wrong_tokens_an_address_costs_no_query(settings, django_assert_num_queries) -> None:
    guess_until_refused(settings)
    with django_assert_num_queries(0), pytest.raises(TooMany) as refused:
        identity.from_header(header(), address=GUESSER)
    assert 0 < refused.value.retry_after_s <= 60


def test_a_token_that_was_right_lately_and_other_addresses_are_not_locked_out(settings) -> None:
    ann = User.objects.create_user("ann")
    (_, known), (row, fresh) = tokens.issue(ann, name="known"), tokens.issue(ann, name="fresh")
    assert identity.from_header(header(known), address=GUESSER).user == ann
    guess_until_refused(settings)
    assert identity.from_header(header(known), address=GUESSER).user == ann
    with pytest.raises(TooMany):
        identity.from_header(header(fresh), address=GUESSER)
    assert identity.from_header(header(fresh), address="203.0.113.10") == row


def test_what_one_web_process_knows_of_tokens_holds_in_the_others(settings, monkeypatch: pytest.MonkeyPatch) -> None:
    row, known = tokens.issue(User.objects.create_user("ann"), name="known")
    identity.from_header(header(known), address=GUESSER)
    guess_until_refused(settings)
    for _ in range(2):  # in another process, then in the first one's memory of it
        cache.clear()
        with pytest.raises(TooMany):
            identity.from_header(header(), address=GUESSER)
        assert identity.from_header(header(known), address=GUESSER) == row
    row.delete()
    with pytest.raises(Unauthenticated):
        identity.from_header(header(known), address=GUESSER)
    cache.clear()
    with pytest.raises(TooMany):
        identity.from_header(header(known), address=GUESSER)


def test_a_token_in_use_asks_redis_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    _, text = tokens.issue(User.objects.create_user("ann"), name="x")
    identity.from_header(header(text), address=GUESSER)
    key = keyspace.known_token(tokens.digest(text))
    keyspace.sync().delete(key)
    for _ in range(5):
        identity.from_header(header(text), address=GUESSER)
    assert not keyspace.sync().exists(key)
    later = time.monotonic() + identity.SHARED_AGAIN_S + 1
    monkeypatch.setattr(identity.time, "monotonic", lambda: later)
    identity.from_header(header(text), address=GUESSER)
    assert 0 < keyspace.sync().ttl(key) <= identity.KNOWN_S


def test_a_revoked_token_is_known_no_longer(settings) -> None:
    row, text = tokens.issue(User.objects.create_user("ann"), name="x")
    identity.from_header(header(text), address=GUESSER)
    row.delete()
    guess_until_refused(settings)
    with pytest.raises(Unauthenticated):
        identity.from_header(header(text), address=GUESSER)
    with pytest.raises(TooMany):
        identity.from_header(header(text), address=GUESSER)


def test_what_has_ended_is_found_in_three_queries_however_many_watch(django_assert_num_queries) -> None:
    people = [User.objects.create_user(f"ann{n}") for n in range(20)]
    live = [Pass(one.pk, token_id=tokens.issue(one, name="x")[0].pk) for one in people]
    gone = [Pass(one.pk, token_id=one.pk) for one in people]
    gone += [Pass(one.pk, session_key="x", password_mark=one.get_session_auth_hash()) for one in people]
    with django_assert_num_queries(3):
        assert identity.ended([*live, *gone]) == set(gone)
    User.objects.update(is_active=False)
    assert identity.ended(live) == set(live)
    assert identity.ended([]) == set()


def test_the_administration_refuses_a_user_who_is_not_staff_and_names_who_can_help(
    user: User,
) -> None:
    browser = Client()
    browser.force_login(user)
    page = browser.get("/admin/", follow=True)
    assert (page.status_code, len(page.redirect_chain)) == (403, 1)
    assert "An administrator can make you one" in page.content.decode()
