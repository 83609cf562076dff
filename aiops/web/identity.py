"""Who asks, for the doors that Django's middleware does not guard: a bearer token or a session cookie."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import cast

from django.conf import settings as django_settings
from django.contrib.auth import get_user
from django.http import HttpRequest

from aiops.errors import Unauthenticated
from aiops.people import tokens
from aiops.people.models import User

SCHEME = "bearer "


def from_header(header: str) -> User:
    """Return the user of an Authorization header; raises Unauthenticated."""
    if not header.lower().startswith(SCHEME):
        raise Unauthenticated("Send 'Authorization: Bearer <token>'.")
    token = tokens.find(header[len(SCHEME) :].strip())
    if token is None:
        raise Unauthenticated("The token is wrong, expired or revoked.", code="invalid_token")
    return token.user


def from_session(session_key: str) -> User:
    """Return the user of a session cookie; raises Unauthenticated."""
    store = import_module(django_settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(cast(HttpRequest, SimpleNamespace(session=store)))
    if not user.is_authenticated:
        raise Unauthenticated("You are not signed in.")
    return user
