"""The store of sessions: Django's, in the database, made safe for a rotation of the secret key."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import db
from django.core import signing


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
        super().cycle_key()
