"""The table of trials that are under way."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id


class Trial(models.Model):
    """What a person asks a worker to try. The asker waits, reads the answer and removes the row (``asking``).

    Only workers have the secrets that rows refer to, and only they speak to tool servers and models.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    """Which function tries it: a key of a feature's ``trials``."""
    arguments = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())
    taken_at = models.DateTimeField(null=True)
    answer = models.JSONField(null=True)
