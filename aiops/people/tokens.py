"""Creates API tokens and finds them by their digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from aiops import log
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.recording import Entry, record_all
from aiops.people.models import ApiToken, User

PREFIX = "aiops_"
USE_RECORDED_EVERY = timedelta(minutes=1)

logger = log.get(__name__)


def digest(text: str) -> str:
    """Return the SHA-256 that the table stores for a token.

    Finding it by index is safe: the time of the query depends on the digest alone, which an attacker cannot steer
    towards another token's. The 256 random bits of a token need no salt and no slow hash.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def issue(
    user: User, *, name: str, scope: str = "full", expires_at: datetime | None = None, actor: User | None = None
) -> tuple[ApiToken, str]:
    """Create a token and return it with its text, which is stored nowhere; ``actor`` is None for commands."""
    text = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = ApiToken.objects.create(user=user, name=name, digest=digest(text), scope=scope, expires_at=expires_at)
        expiry = expires_at.isoformat() if expires_at else None
        record_all([_entry(Action.TOKEN_CREATED, token, actor, scope=scope, expires_at=expiry)])
    return token, text


def revoke(tokens: QuerySet[ApiToken], *, actor: User) -> int:
    """Delete these tokens; return how many there were."""
    with transaction.atomic():
        gone = list(tokens.select_related("user").select_for_update(of=("self",)).order_by("pk"))
        ApiToken.objects.filter(pk__in=[token.pk for token in gone]).delete()
        record_all([_entry(Action.TOKEN_REVOKED, token, actor) for token in gone])
    return len(gone)


def _entry(action: Action, token: ApiToken, actor: User | None, **details: str | None) -> Entry:
    return Entry(
        action,
        actor.username if actor else SYSTEM,
        f"token:{token.user.username}/{token.name}",
        actor.pk if actor else None,
        {"id": str(token.pk), "user": str(token.user_id), **details},
    )


def live() -> QuerySet[ApiToken]:
    """Return the unexpired tokens of active users."""
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    return ApiToken.objects.select_related("user").filter(unexpired, user__is_active=True)


def find(text: str) -> ApiToken | None:
    """Return the live token with this text, or None; records its use once a minute."""
    if not text.startswith(PREFIX) or len(text) > 200:
        return None  # without a query
    token = live().filter(digest=digest(text)).first()
    if token is not None and (token.last_used_at is None or timezone.now() - token.last_used_at > USE_RECORDED_EVERY):
        _record_use(token)
    return token


def _record_use(token: ApiToken) -> None:
    """Write when a token was used; a database that is busy with other writes does not refuse the request."""
    try:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    except OperationalError as error:
        logger.warning("token.use_not_recorded", token=str(token.pk), error=str(error))
