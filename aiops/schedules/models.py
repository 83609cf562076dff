"""Tables of schedules: Schedule, Firing. Only ``lifecycle``, ``firing`` and ``settling`` write them."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.batches.models import Batch
from aiops.conversations.models import Conversation
from aiops.people.models import new_id
from aiops.runs.models import Run
from aiops.schedules import timing
from aiops.webhooks.models import Delivery


class Schedule(models.Model):
    """A prompt or a batch of one user, and the times when it is started."""

    class Kind(models.TextChoices):
        """Which of ``every_s``, ``cron`` and ``at`` determines its times."""

        INTERVAL = "interval"
        CRON = "cron"
        ONCE = "once"

    class Overlap(models.TextChoices):
        """What happens when it is due and its previous run is unfinished."""

        SKIP = "skip"
        QUEUE = "queue"
        REPLACE = "replace"

    class CatchUp(models.TextChoices):
        """What happens after due times were missed: nothing, or one run for all of them."""

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
    """The fields of a ``Plan``, and ``items``; null for a single prompt."""
    options = models.JSONField(default=dict)
    """model, provider, temperature and deadline_s of its runs; ``read_only`` unless they may change something."""
    conversation = models.ForeignKey(Conversation, models.SET_NULL, null=True, related_name="+")
    """The conversation of its answers; created with the first one."""

    webhook = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    """The address that the end of each run or batch is posted to."""
    notify_by = models.CharField(max_length=8, choices=Delivery.Form.choices, blank=True, default="", db_default="")
    """How its owner hears that it failed or was paused; empty: not at all."""
    notify_url = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    """Where to; empty for a mail, which goes to the account's address."""
    overlap = models.CharField(max_length=8, choices=Overlap.choices, default=Overlap.SKIP)
    catch_up = models.CharField(max_length=8, choices=CatchUp.choices, default=CatchUp.SKIP)
    jitter_s = models.PositiveIntegerField(default=0)
    ends_at = models.DateTimeField(null=True)
    max_times = models.PositiveIntegerField(null=True)
    max_failures = models.PositiveIntegerField(default=5)

    times = models.PositiveIntegerField(default=0)
    """How many of its due times have started something."""
    failures = models.PositiveIntegerField(default=0)
    """How many of the latest firings failed in a row."""
    due_at = models.DateTimeField(null=True)
    """Its next time; null when there is none."""
    next_at = models.DateTimeField(null=True)
    """``due_at`` plus a random share of the jitter."""
    paused_at = models.DateTimeField(null=True)
    paused_because = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [
            models.Index(fields=["user", "-id"], name="schedules_of_user"),
            models.Index(fields=["next_at"], name="schedules_due", condition=Q(paused_at__isnull=True)),
        ]

    @property
    def state(self) -> str:
        """active, paused, or done when it has no further time."""
        if self.paused_at is not None:
            return "paused"
        return "active" if self.due_at is not None else "done"

    @property
    def zone(self) -> ZoneInfo:
        """Its time zone; UTC for one that this machine does not know."""
        try:
            return timing.zone(self.timezone)
        except timing.BadTime:
            return timing.zone("UTC")

    @property
    def times_in_words(self) -> str:
        """Its times as pages show them."""
        if self.kind == self.Kind.ONCE:
            return "once"
        if self.every_s is None:
            return f"{timing.in_words(self.cron)} ({self.timezone})"
        for seconds, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
            count, rest = divmod(self.every_s, seconds)
            if count and not rest:
                return f"every {name}" if count == 1 else f"every {count} {name}s"
        return f"every {self.every_s} s"


class Firing(models.Model):
    """One due time of a schedule and its outcome; the constraint on the time makes concurrent ticks safe."""

    class Outcome(models.TextChoices):
        """started → succeeded | failed | cancelled; or nothing was started, with the ``reason``."""

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
        constraints = [models.UniqueConstraint(fields=["schedule", "due_at"], name="one_firing_per_time")]
        indexes = [
            models.Index(fields=["schedule", "-id"], name="firings_of_schedule"),
            models.Index(fields=["id"], name="firings_under_way", condition=Q(outcome="started")),
            models.Index(fields=["fired_at"], name="firings_by_age"),
        ]
