"""Tables of people: User, ApiToken, IdempotencyKey."""

from __future__ import annotations

import uuid

import uuid_utils.compat
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Now


def new_id() -> uuid.UUID:
    """Return a UUIDv7: random, and ordered by time."""
    made: uuid.UUID = uuid_utils.compat.uuid7()
    return made


class User(AbstractUser):
    """A person who signs in; staff may run maintenance jobs and see Flower."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)


class ApiToken(models.Model):
    """A token for the API; only its SHA-256 is stored, its text is shown once."""

    class Scope(models.TextChoices):
        FULL = "full"
        READ = "read"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=4, choices=Scope.choices, default=Scope.FULL)
    created_at = models.DateTimeField(db_default=Now())
    expires_at = models.DateTimeField(null=True, blank=True, db_index=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} ({self.scope})"


class BrowserSession(models.Model):
    """Whose session of Django's table it is, and where it was begun; written by ``sessions``."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    """Names it to its user: the session's key would sign anybody in."""
    session_key = models.CharField(max_length=40, unique=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="browser_sessions")
    created_at = models.DateTimeField(db_default=Now())
    agent = models.CharField(max_length=300, blank=True, default="", db_default="")
    """The browser, as it named itself."""
    address = models.CharField(max_length=60, blank=True, default="", db_default="")


class IdempotencyKey(models.Model):
    """The response to one creating request, which a repeated request gets again."""

    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    answer = models.JSONField(null=True)
    status = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_key")]
