"""Identifies callers by bearer token or, outside Django's middleware, by session cookie."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone

from aiops import keyspace
from aiops.errors import TooMany, Unauthenticated
from aiops.people import tokens
from aiops.people.models import ApiToken, User
from aiops.web import throttle
from aiops.web.address import counted_as
from aiops.web.counts import shared

SCHEME = "bearer "
WRONG_TOKENS = 10
"""An address may send this many times more wrong tokens than passwords: guessing a token is hopeless."""
KNOWN_S = 600
"""Tokens that were valid in this time are accepted from addresses that sent too many wrong ones."""
SHARED_AGAIN_S = 60
"""A process reports a token that it knows to the others this often."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Proof of identity of an open connection: a token, or a session while its user's password is unchanged."""

    user_id: UUID
    token_id: UUID | None = None
    session_key: str = ""
    password_mark: str = ""


def from_header(header: str, *, address: str) -> ApiToken:
    """Return the token of an Authorization header; raises Unauthenticated, or TooMany without a query."""
    if not header.lower().startswith(SCHEME):
        raise Unauthenticated("Send 'Authorization: Bearer <token>'.")
    text = header[len(SCHEME) :].strip()
    wrong, known = f"wrong-token:{counted_as(address)}", keyspace.known_token(tokens.digest(text))
    most = django_settings.SETTINGS.sign_ins_per_minute * WRONG_TOKENS
    shared_at = cache.get(known)  # one that this process knows needs no look at the others' counts
    if shared_at is None and throttle.counted(wrong) >= most and not shared.read(known):
        raise TooMany("Too many wrong tokens from your address.", retry_after_s=throttle.seconds_left())
    token = tokens.find(text)
    if token is None:
        throttle.count(wrong)
        cache.delete(known)
        shared.remove(known)
        raise Unauthenticated("The token is wrong, expired or revoked.", code="invalid_token")
    now = time.monotonic()
    if shared_at is None or now - shared_at > SHARED_AGAIN_S:
        shared.add(known, 1, ttl_s=KNOWN_S)
        cache.set(known, now, KNOWN_S)
    return token


def from_session(session_key: str) -> tuple[User, Pass]:
    """Return the user of a session cookie; raises Unauthenticated."""
    if not (session_key.isascii() and session_key.isalnum()):
        raise Unauthenticated("You are not signed in.")
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=store)))
    if not user.is_authenticated:
        raise Unauthenticated("You are not signed in.")
    return user, Pass(user.pk, session_key=session_key, password_mark=user.get_session_auth_hash())


def check(one: Pass) -> None:
    """Raise Unauthenticated if a pass is no longer valid."""
    if ended([one]):
        raise Unauthenticated("You have been signed out.")


def ended(passes: Iterable[Pass]) -> set[Pass]:
    """Return the passes that are no longer valid, with one query per table."""
    held = set(passes)
    users = {user.pk: user for user in User.objects.filter(pk__in={p.user_id for p in held}, is_active=True)}
    live_tokens = set(tokens.live().filter(pk__in={p.token_id for p in held}).values_list("pk", flat=True))
    signed_in = Session.objects.filter(session_key__in={p.session_key for p in held}, expire_date__gt=timezone.now())
    sessions = set(signed_in.values_list("session_key", flat=True))

    def lets_in(one: Pass) -> bool:
        user = users.get(one.user_id)
        if user is None or one.token_id is not None:
            return user is not None and one.token_id in live_tokens
        return one.session_key in sessions and one.password_mark == user.get_session_auth_hash()

    return {one for one in held if not lets_in(one)}
