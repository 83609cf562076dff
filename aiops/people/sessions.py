"""The store of sessions: Django's, in the database, made safe for a rotation of the secret key, and listed by user."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.contrib.sessions.models import Session
from django.core import signing
from django.db.models import Exists, OuterRef, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest

from aiops.people.models import BrowserSession, User


class SessionStore(db.SessionStore):
    """A session that a previous secret key signed is signed by the new one under the id that it has.

    Django gives it a new id at that moment, and the old one is gone. Requests of other tabs that are under way, and
    streams, which set no cookie, would sign the user out.
    """

    _is_of_previous_key = False

    def decode(self, session_data: str | bytes) -> dict[str, Any]:
        options: dict[str, Any] = {"salt": self.key_salt, "serializer": self.serializer}
        try:
            data: dict[str, Any] = signing.loads(str(session_data), fallback_keys=[], **options)
        except signing.BadSignature:
            self._is_of_previous_key = True
            return super().decode(session_data)
        return data

    def cycle_key(self) -> None:
        if self._is_of_previous_key and SESSION_KEY in self:
            self._is_of_previous_key = False  # a change of the password by this request still gives a new id
            return
        before = self.session_key
        super().cycle_key()
        if before:  # the same sign-in under another key
            BrowserSession.objects.filter(session_key=before).update(session_key=self.session_key)

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        super().delete(session_key)
        if key and session_key is None:  # with a key it is cycle_key, which keeps the row
            BrowserSession.objects.filter(session_key=key).delete()


def describe(request: HttpRequest) -> None:
    """Record that this session belongs to the user who has just signed in, and from where."""
    request.session.save()  # so that it has a key
    agent, address = request.headers.get("User-Agent", ""), request.META.get("REMOTE_ADDR", "")
    BrowserSession.objects.update_or_create(
        session_key=request.session.session_key,
        defaults={"user": cast(User, request.user), "agent": agent[:300], "address": address[:60]},
    )


def live() -> QuerySet[BrowserSession]:
    """Return the sessions in which somebody is signed in."""
    unexpired = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=Now())
    return BrowserSession.objects.filter(Exists(unexpired))


def of(user: User) -> QuerySet[BrowserSession]:
    """Return the sessions in which this user is signed in, the newest first."""
    return live().filter(user=user).order_by("-pk")


def end(user: User, pk: UUID) -> bool:
    """Sign the user out of one session; False when there is no such session. Its open streams end, too."""
    row = of(user).filter(pk=pk).first()
    if row is None:
        return False
    Session.objects.filter(session_key=row.session_key).delete()
    row.delete()
    return True


def end_others(user: User, *, than: str) -> int:
    """Sign the user out of all sessions but the one with this key; return how many there were."""
    rows = list(of(user).exclude(session_key=than))
    Session.objects.filter(session_key__in=[row.session_key for row in rows]).delete()
    BrowserSession.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def without_session() -> QuerySet[BrowserSession]:
    """Return rows whose session is gone."""
    return BrowserSession.objects.filter(~Exists(Session.objects.filter(session_key=OuterRef("session_key"))))
