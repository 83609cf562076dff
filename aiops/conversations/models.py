"""Tables of conversations: Conversation, Message, Run. States change in ``transitions`` alone."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops import dispatch
from aiops.people.models import new_id


class Conversation(models.Model):
    """A thread of messages owned by one user."""

    class Kind(models.TextChoices):
        """Who asks: a person who comes back to it, or a batch, one conversation for each of its items."""

        CHAT = "chat"
        BATCH = "batch"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.CHAT, db_default=Kind.CHAT)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    title = models.CharField(max_length=200)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())
    last_position = models.PositiveIntegerField(default=0)
    memory_from = models.PositiveIntegerField(default=0)
    """Messages up to this position were forgotten on request: memory is never rebuilt from them."""
    memory_used_at = models.DateTimeField(null=True)
    """Last time the agent remembered this conversation; null when there is no memory."""

    class Meta:
        """Listed by owner, newest first; those of batches only through their batch."""

        indexes = [
            models.Index(fields=["user", "-updated_at", "-id"], name="chats_of_user", condition=Q(kind="chat")),
            models.Index(fields=["updated_at"], name="chats_by_age", condition=Q(kind="chat")),
            models.Index(fields=["memory_used_at"], name="memories_by_age", condition=Q(memory_used_at__isnull=False)),
        ]


class Message(models.Model):
    """One utterance of the transcript; its id is also its LangChain message id."""

    class Role(models.TextChoices):
        """Who speaks."""

        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    position = models.PositiveIntegerField()
    role = models.CharField(max_length=9, choices=Role.choices)
    text = models.TextField(blank=True)
    rolled_back = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        """A position is taken once."""

        constraints = [models.UniqueConstraint(fields=["conversation", "position"], name="one_message_per_position")]


class Run(models.Model):
    """One attempt to answer one message: the unit of work on the queue."""

    class State(models.TextChoices):
        """queued → running → succeeded | failed | cancelled; running → queued when taken back or drained.

        Only items of a batch: queued → expired.
        """

        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"
        EXPIRED = "expired"

    ENDED = (State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED)
    UNFINISHED = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    message = models.OneToOneField(Message, models.CASCADE, related_name="run")
    position = models.PositiveIntegerField()
    """The message's position: runs of a conversation are claimed in this order."""
    answer_id = models.UUIDField(default=new_id)
    """Id of the message that the answer becomes."""
    answer = models.TextField(blank=True)

    queue = models.CharField(max_length=16, default=dispatch.RUNS_QUEUE, db_default=dispatch.RUNS_QUEUE)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    """When its id was last put on the queue; null while it waits behind another run."""
    cancel_requested_at = models.DateTimeField(null=True)
    rolled_back = models.BooleanField(default=False)

    deadline_s = models.PositiveIntegerField()
    options = models.JSONField(default=dict)
    """What was asked of the model: model, provider, temperature."""
    webhook = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    """Where its end is told."""
    webhook_due = models.BooleanField(default=False, db_default=False)
    """Whether its end is still to be told."""
    steps = models.JSONField(default=list)
    notices = models.JSONField(default=list)
    """What its reader was told besides the answer: code and text of each."""
    usage = models.JSONField(null=True)
    error = models.JSONField(null=True)

    queued_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    first_delta_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        """At most one running run in a conversation; what the reaper and lists look for is indexed."""

        constraints = [
            models.UniqueConstraint(
                fields=["conversation"], condition=Q(state="running"), name="one_active_run_per_conversation"
            )
        ]
        indexes = [
            models.Index(
                fields=["conversation", "position"],
                name="unfinished_in_order",
                condition=Q(state__in=["queued", "running"]),
            ),
            models.Index(fields=["lease_until"], name="leases", condition=Q(state="running")),
            models.Index(fields=["sent_at"], name="waiting", condition=Q(state="queued")),
            models.Index(fields=["user", "-id"], name="asked_by_user", condition=Q(queue="runs")),
            models.Index(fields=["user", "state", "-id"], name="asked_by_user_in_state", condition=Q(queue="runs")),
            models.Index(fields=["conversation", "-id"], name="runs_of_conversation"),
            models.Index(fields=["id"], name="runs_to_tell", condition=Q(webhook_due=True)),
            models.Index(
                fields=["state", "finished_at"],
                name="ended_by_age",
                condition=Q(finished_at__isnull=False, queue="runs"),
            ),
        ]
