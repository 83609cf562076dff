"""Tables of webhooks: Key, Delivery. Deliveries change in ``outbox`` and ``delivering`` alone."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.conversations.models import Run
from aiops.people.models import new_id


class Key(models.Model):
    """Which of a user's signing keys is in use; the key itself is derived and never stored."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    number = models.PositiveIntegerField(default=1)


class Delivery(models.Model):
    """One message to one address, and what became of it."""

    class State(models.TextChoices):
        """pending → delivered | failed; a failed one can be sent anew by hand."""

        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    url = models.CharField(max_length=2_000)
    event = models.CharField(max_length=40)
    run = models.OneToOneField(Run, models.CASCADE, null=True, related_name="+")
    batch = models.ForeignKey(Batch, models.CASCADE, null=True, related_name="+")
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField(null=True, db_default=Now())
    status = models.PositiveSmallIntegerField(null=True)
    """HTTP status of the last answer."""
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        """Listed by owner, newest first; what is due is found without a look at the rest."""

        indexes = [
            models.Index(fields=["user", "-id"], name="deliveries_of_user"),
            models.Index(fields=["next_at"], name="deliveries_due", condition=Q(state="pending")),
            models.Index(fields=["created_at"], name="deliveries_by_age"),
        ]
