"""The table of runs. Only ``transitions`` and ``recovery`` change a run's state."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops import dispatch
from aiops.conversations.models import Conversation, Message
from aiops.people.models import new_id
from aiops.runs import sources, states
from aiops.runs.sources import Source
from aiops.runs.states import State


def _state_in(several: Sequence[State]) -> Q:
    """Return the condition of a partial index, spelled as queries spell it: else SQLite would not use the index."""
    values = [state.value for state in several]
    return Q(state=values[0]) if len(values) == 1 else Q(state__in=values)


class Run(models.Model):
    """One attempt to answer one message: the unit of work on the queue."""

    class Feedback(models.TextChoices):
        """What its user thinks of the answer."""

        UP = "up"
        DOWN = "down"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    message = models.OneToOneField(Message, models.CASCADE, related_name="run")
    position = models.PositiveIntegerField()
    """The message's position: runs of a conversation are claimed in this order."""
    answer_id = models.UUIDField(default=new_id)
    """Id of the message that will hold the answer."""
    answer = models.TextField(blank=True)

    queue = models.CharField(max_length=16, default=dispatch.RUNS_QUEUE, db_default=dispatch.RUNS_QUEUE)
    source = models.CharField(
        max_length=16, choices=sources.CHOICES, default=Source.CHAT.value, db_default=Source.CHAT.value
    )
    state = models.CharField(max_length=16, choices=states.CHOICES, default=State.QUEUED.value)
    fence = models.PositiveIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    lease_until = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    """When the broker last accepted its id; null before that, and while it waits behind another run."""
    cancel_requested_at = models.DateTimeField(null=True)
    rolled_back = models.BooleanField(default=False)
    version_of = models.UUIDField(null=True)
    """The first run of those that stand at one place of the transcript; null when it has one version only."""
    replaced_at = models.PositiveIntegerField(null=True)
    """Position of the message that took its place, or an earlier one's (``versions``); null while it is shown."""

    deadline_s = models.PositiveIntegerField()
    options = models.JSONField(default=dict)
    """``RunOptions.stored()``."""
    webhook = models.CharField(max_length=2_000, blank=True, default="", db_default="")
    """URL that is notified of its end."""
    webhook_due = models.BooleanField(default=False, db_default=False)
    """Whether that notification is still to be written."""
    steps = models.JSONField(default=list)
    notices = models.JSONField(default=list)
    """Shown beside the answer: a list of {code, text}."""
    usage = models.JSONField(null=True)
    error = models.JSONField(null=True)
    feedback = models.CharField(max_length=4, choices=Feedback.choices, blank=True, default="", db_default="")
    feedback_reason = models.CharField(max_length=500, blank=True, default="", db_default="")

    queued_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    first_delta_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        permissions = [("view_all", "Can see everybody's runs")]
        constraints = [
            # Of running ones: a claim takes the oldest unfinished run only, so none runs while one waits for people.
            models.UniqueConstraint(
                fields=["conversation"],
                condition=_state_in(states.HOLDS_WORKER),
                name="one_active_run_per_conversation",
            )
        ]
        indexes = [
            models.Index(
                fields=["conversation", "position"],
                name="unfinished_in_order",
                condition=_state_in(states.UNFINISHED),
            ),
            models.Index(fields=["lease_until"], name="leases", condition=_state_in(states.HOLDS_WORKER)),
            models.Index(fields=["sent_at"], name="waiting", condition=_state_in([State.QUEUED])),
            models.Index(fields=["user", "-id"], name="runs_of_user"),
            models.Index(fields=["user", "state", "-id"], name="runs_of_user_in_state"),
            models.Index(fields=["conversation", "-id"], name="runs_of_conversation"),
            models.Index(
                fields=["version_of", "position"], name="versions_in_order", condition=Q(version_of__isnull=False)
            ),
            models.Index(fields=["id"], name="runs_to_tell", condition=Q(webhook_due=True)),
            models.Index(
                fields=["state", "finished_at"],
                name="ended_by_age",
                condition=Q(finished_at__isnull=False, queue="runs"),
            ),
        ]
