"""The table of attachments."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.people.models import new_id


class Attachment(models.Model):
    """One text file of a user; it is sent with one message, and goes with it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    message = models.ForeignKey("conversations.Message", models.CASCADE, null=True, related_name="+")
    """The message it was sent with; null until then."""
    name = models.CharField(max_length=255)
    bytes = models.PositiveIntegerField()
    """Size of the text in UTF-8."""
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["created_at"], name="unsent_by_age", condition=Q(message__isnull=True)),
            models.Index(fields=["user"], name="unsent_of_user", condition=Q(message__isnull=True)),
        ]
