"""API tokens: made once, shown once, found by their digest."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from aiops import log
from aiops.people.models import ApiToken, User

PREFIX = "aiops_"
NOTED_EVERY = timedelta(minutes=1)

logger = log.get(__name__)


def digest(text: str) -> str:
    """Return the SHA-256 that stands for a token in the table.

    Found by index, and that is safe: how long a look-up takes tells of the digest alone, which nobody can steer towards
    another's; a token's 256 random bits need no salt and no slow hash.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def issue(user: User, *, name: str, scope: str = "full", expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """Make a token; the text comes back only here."""
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(user=user, name=name, digest=digest(text), scope=scope, expires_at=expires_at)
    return token, text


def live() -> QuerySet[ApiToken]:
    """Return the tokens that are not expired, of active users."""
    unexpired = Q(expires_at__isnull=True) | Q(expires_at__gt=Now())
    return ApiToken.objects.select_related("user").filter(unexpired, user__is_active=True)


def find(text: str) -> ApiToken | None:
    """Return the live token of an active user, or None; notes its use once a minute."""
    if not text.startswith(PREFIX) or len(text) > 200:
        return None
    token = live().filter(digest=digest(text)).first()
    if token is not None and (token.last_used_at is None or timezone.now() - token.last_used_at > NOTED_EVERY):
        _note_use(token)
    return token


def _note_use(token: ApiToken) -> None:
    """Write when a token was used; a database that is busy writing keeps nobody from reading."""
    try:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=Now())
    except OperationalError as error:
        logger.warning("token.use_not_noted", token=str(token.pk), error=str(error))


def remove_expired() -> int:
    """Delete tokens past their end; return how many."""
    return ApiToken.objects.filter(expires_at__lt=Now()).delete()[0]
