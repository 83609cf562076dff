"""Records who signed in and out, and who tried to, in the audit log."""

from __future__ import annotations

from django.db import transaction
from django.utils.crypto import salted_hmac

from aiops import untrusted
from aiops.audit.actions import UNKNOWN, Action
from aiops.audit.recording import record
from aiops.people.models import User

SALT = "aiops.people.attempts"
DIGEST_CHARACTERS = 16
MAX_NAME = 150


def record_success(user: User, *, address: str) -> None:
    """Record that somebody signed in; in the transaction of the new session."""
    _record_own(Action.SIGN_IN_SUCCEEDED, user, address=address)


def record_sign_out(user: User) -> None:
    """Record that somebody signed out; in the transaction that ends the session."""
    _record_own(Action.SIGN_OUT, user)


def record_failure(name: str, *, address: str, is_last: bool = False) -> None:
    """Record an attempt that failed; ``is_last`` when more of this minute are not recorded.

    A name that no account has may be a password in the wrong field, and rows are never removed by hand: only a keyed
    digest of it is kept, which is the same for attempts with the same name.
    """
    known = name == untrusted.clean(name)[:MAX_NAME] and User.objects.filter(username=name).exists()
    digest = salted_hmac(SALT, name, algorithm="sha256").hexdigest()[:DIGEST_CHARACTERS]
    details = {"address": address[:60], "account_exists": known, **({"more_followed": True} if is_last else {})}
    with transaction.atomic():
        record(
            Action.SIGN_IN_FAILED,
            actor=UNKNOWN,
            actor_id=None,
            object=f"user:{name}" if known else f"unknown-user:{digest}",
            details=details,
        )


def _record_own(action: Action, user: User, **details: str) -> None:
    record(action, actor=user.username, actor_id=user.pk, object=f"user:{user.username}", details=details)
