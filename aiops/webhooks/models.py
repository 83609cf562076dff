"""Tables of webhooks: Key, Delivery. Only ``outbox`` and ``claims`` write deliveries."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.people.models import new_id
from aiops.runs.models import Run


class Key(models.Model):
    """The number of a user's signing key; the key itself is derived from it and never stored."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    number = models.PositiveIntegerField(default=1)


class Delivery(models.Model):
    """One report to one address, and its outcome."""

    class State(models.TextChoices):
        """pending → delivered | failed; both become pending again when the owner asks for redelivery."""

        PENDING = "pending"
        DELIVERED = "delivered"
        FAILED = "failed"

    class Form(models.TextChoices):
        """What is sent: our signed JSON, a message as Slack or ntfy takes it, or a mail (``url`` is mailto:…)."""

        WEBHOOK = "webhook"
        SLACK = "slack"
        NTFY = "ntfy"
        MAIL = "mail"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    form = models.CharField(max_length=8, choices=Form.choices, default=Form.WEBHOOK, db_default=Form.WEBHOOK)
    url = models.CharField(max_length=2_000)
    host = models.CharField(max_length=255, blank=True, default="", db_default="")
    """The host of ``url``; concurrent deliveries to one host are limited."""
    event = models.CharField(max_length=40)
    run = models.OneToOneField(Run, models.CASCADE, null=True, related_name="+")
    batch = models.ForeignKey(Batch, models.SET_NULL, null=True, related_name="+")
    """Null when the batch was deleted since; its end is still reported."""
    payload = models.JSONField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0, db_default=0)
    """The fencing token: each claim increments it, and only the latest claim may record an outcome."""
    next_at = models.DateTimeField(null=True, db_default=Now())
    """Time of the next attempt; during an attempt, when its lease ends."""
    status = models.PositiveSmallIntegerField(null=True)
    """HTTP status of the last response."""
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-id"], name="deliveries_of_user"),
            models.Index(fields=["next_at"], name="deliveries_due", condition=Q(state="pending")),
            models.Index(fields=["created_at"], name="deliveries_by_age"),
        ]
