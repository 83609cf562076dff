"""Tables of schedules: Schedule, Firing. Times change in ``lifecycle`` and ``firing`` alone."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.conversations.models import Conversation, Run
from aiops.people.models import new_id


class Schedule(models.Model):
    """One user's prompt or batch, and when it is asked."""

    class Kind(models.TextChoices):
        """How its times are told."""

        INTERVAL = "interval"
        CRON = "cron"
        ONCE = "once"

    class Overlap(models.TextChoices):
        """What happens when it is due and the one before is unfinished."""

        SKIP = "skip"
        QUEUE = "queue"
        REPLACE = "replace"

    class CatchUp(models.TextChoices):
        """What happens with times that passed while nobody looked: nothing, or one for all of them."""

        SKIP = "skip"
        ONCE = "once"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    every_s = models.PositiveIntegerField(null=True)
    cron = models.CharField(max_length=100, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    at = models.DateTimeField(null=True)

    message = models.TextField(blank=True)
    batch = models.JSONField(null=True)
    """What is asked of ``POST /api/batches/``; null for a single prompt."""
    options = models.JSONField(default=dict)
    """model, provider, temperature, deadline_s of the prompt; ``read_only`` unless it may change things."""
    conversation = models.ForeignKey(Conversation, models.SET_NULL, null=True, related_name="+")
    """Where its answers go; made with the first one."""

    webhook = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    """Where the end of each run or batch is told."""
    overlap = models.CharField(max_length=8, choices=Overlap.choices, default=Overlap.SKIP)
    catch_up = models.CharField(max_length=8, choices=CatchUp.choices, default=CatchUp.SKIP)
    jitter_s = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField(null=True)
    max_times = models.PositiveIntegerField(null=True)
    max_failures = models.PositiveIntegerField(default=5)

    times = models.PositiveIntegerField(default=0)
    """How often it has started something by the clock."""
    failures = models.PositiveIntegerField(default=0)
    """How many of the last ones failed, one after the other."""
    due_at = models.DateTimeField(null=True)
    """Its next time; null when none will come."""
    next_at = models.DateTimeField(null=True)
    """That, and its share of the jitter."""
    paused_at = models.DateTimeField(null=True)
    paused_because = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """Listed by owner; what is due is found without a look at the rest."""

        indexes = [
            models.Index(fields=["user", "-id"], name="schedules_of_user"),
            models.Index(fields=["next_at"], name="schedules_due", condition=Q(paused_at__isnull=True)),
        ]

    @property
    def state(self) -> str:
        """active, paused, or done when no time will come."""
        if self.paused_at is not None:
            return "paused"
        return "active" if self.due_at is not None else "done"


class Firing(models.Model):
    """One time of a schedule, and what came of it; a time is written once, whoever looks."""

    class Outcome(models.TextChoices):
        """started → succeeded | failed | cancelled; or nothing was started, and ``reason`` says why."""

        STARTED = "started"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        SKIPPED = "skipped"
        MISSED = "missed"
        REFUSED = "refused"

    schedule = models.ForeignKey(Schedule, models.CASCADE, related_name="firings")
    due_at = models.DateTimeField()
    fired_at = models.DateTimeField(db_default=Now())
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    reason = models.TextField(blank=True)
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="+")
    batch = models.ForeignKey(Batch, models.SET_NULL, null=True, related_name="+")

    class Meta:
        """Each time once; what has not ended is few."""

        constraints = [models.UniqueConstraint(fields=["schedule", "due_at"], name="one_firing_per_time")]
        indexes = [
            models.Index(fields=["schedule", "-id"], name="firings_of_schedule"),
            models.Index(fields=["id"], name="firings_under_way", condition=Q(outcome="started")),
            models.Index(fields=["fired_at"], name="firings_by_age"),
        ]
