"""Tables of batches: Batch, Upload, Item. Only ``lifecycle``, ``validation`` and ``feeding`` change states."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.runs.models import Run


class Batch(models.Model):
    """Many prompts of one user; each item becomes a run when capacity is free."""

    class State(models.TextChoices):
        """validating → in_progress → completed | expired; validating → failed; cancelling → cancelled."""

        VALIDATING = "validating"
        IN_PROGRESS = "in_progress"
        COMPLETED = "completed"
        FAILED = "failed"
        EXPIRED = "expired"
        CANCELLING = "cancelling"
        CANCELLED = "cancelled"

    class Policy(models.TextChoices):
        """Whether an invalid line stops the whole batch or is skipped."""

        ALL_OR_NOTHING = "all_or_nothing"
        SKIP_INVALID = "skip_invalid"

    class Format(models.TextChoices):
        JSONL = "jsonl"
        JSON = "json"
        CSV = "csv"

    ENDED = (State.COMPLETED, State.FAILED, State.EXPIRED, State.CANCELLED)
    UNFINISHED = (State.VALIDATING, State.IN_PROGRESS, State.CANCELLING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=16, choices=State.choices, default=State.VALIDATING)
    format = models.CharField(max_length=8, choices=Format.choices)
    policy = models.CharField(max_length=16, choices=Policy.choices, default=Policy.ALL_OR_NOTHING)
    template = models.TextField(blank=True)
    """Builds each prompt from a line's columns, such as ``Summarise {{log}}``; empty when lines have prompts."""
    columns = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))
    """Of a CSV file: the column that is used as ``custom_id``, and that as ``model``."""
    ignore_model = models.BooleanField(default=False, db_default=False)
    """Whether the models that lines name are ignored."""
    allow_changes = models.BooleanField(default=False, db_default=False)
    """Whether its items may use tools that change something: people are asked about each such call."""
    encoding = models.CharField(max_length=32, blank=True, default="", db_default="")
    """Of a file that is neither UTF-8 nor UTF-16."""
    response_schema = models.JSONField(null=True)
    """JSON Schema that every answer must match."""
    webhook = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    """The address that its end is posted to."""
    webhook_due = models.BooleanField(default=False, db_default=False)
    """Whether its end is still to be written to the outbox."""
    defaults = models.JSONField(default=dict)
    """model, provider, temperature and deadline_s of items that do not set their own."""
    max_concurrency = models.PositiveIntegerField()
    completion_window_s = models.PositiveIntegerField()

    total = models.PositiveIntegerField(default=0)
    invalid = models.PositiveIntegerField(default=0)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cancelled = models.PositiveIntegerField(default=0)
    expired = models.PositiveIntegerField(default=0)
    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost = models.DecimalField(max_digits=18, decimal_places=6, null=True)
    """Of all attempts whose price is known; null when none is."""
    error = models.JSONField(null=True)
    """Why the whole batch failed: code and detail."""

    lease_until = models.DateTimeField(null=True)
    """When the lease of the validating worker ends; another worker may then validate."""
    created_at = models.DateTimeField(db_default=Now())
    in_progress_at = models.DateTimeField(null=True)
    finalizing_at = models.DateTimeField(null=True)
    """When its last item was settled."""
    cancelling_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    deleted_at = models.DateTimeField(null=True)
    """When its owner deleted it; the maintenance job removes the rows in small steps."""

    class Meta:
        indexes = [
            models.Index(fields=["user", "-id"], name="batches_of_user", condition=Q(deleted_at__isnull=True)),
            models.Index(
                fields=["state"],
                name="unfinished_batches",
                condition=Q(state__in=["validating", "in_progress", "cancelling"]),
            ),
            models.Index(fields=["id"], name="batches_to_tell", condition=Q(webhook_due=True)),
            models.Index(fields=["deleted_at"], name="deleted_batches", condition=Q(deleted_at__isnull=False)),
        ]

    @property
    def settled(self) -> int:
        """The number of items in a final state."""
        return self.invalid + self.succeeded + self.failed + self.cancelled + self.expired

    @property
    def tokens(self) -> int:
        """Tokens read and written by its items."""
        return self.input_tokens + self.output_tokens


class Upload(models.Model):
    """A piece of a batch's file, stored until the batch is validated."""

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="uploads")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["batch", "number"], name="one_piece_per_number")]


class Item(models.Model):
    """One line of a batch."""

    class State(models.TextChoices):
        """pending → running → succeeded | failed | cancelled | expired; running → pending for a retry; invalid."""

        PENDING = "pending"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"
        INVALID = "invalid"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="items")
    number = models.PositiveIntegerField()
    """Its line in the file, from 1 (the header of a CSV file is not counted)."""
    custom_id = models.CharField(max_length=128)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    messages = models.JSONField(default=list)
    """role and text of each message; the last one is the user's."""
    options = models.JSONField(default=dict)
    tries = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True)
    """When a failed item may be retried."""
    run = models.ForeignKey(Run, models.SET_NULL, null=True, related_name="+")
    """The latest attempt."""
    error = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="one_item_per_line"),
            models.UniqueConstraint(
                fields=["batch", "custom_id"], name="one_item_per_custom_id", condition=~Q(state="invalid")
            ),
        ]
        indexes = [
            models.Index(fields=["batch", "number"], name="items_to_run", condition=Q(state="pending")),
            models.Index(fields=["batch"], name="items_running", condition=Q(state="running")),
            models.Index(fields=["batch", "state", "number"], name="items_by_state"),
            models.Index(fields=["not_before"], name="items_pausing", condition=Q(not_before__isnull=False)),
        ]

    @property
    def prompt(self) -> str:
        """The text of its last message; empty for an invalid line."""
        return self.messages[-1]["text"] if self.messages else ""
