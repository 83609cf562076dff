"""Tables of conversations: Conversation, Message."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.people.models import new_id


class Conversation(models.Model):
    """An ordered list of messages, owned by one user."""

    class Kind(models.TextChoices):
        """A person's chat, or an item of a batch."""

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
    """Messages up to this position were cleared: memory is never rebuilt from them."""
    memory_used_at = models.DateTimeField(null=True)
    """When memory was last written; null when there is none."""
    pinned = models.BooleanField(default=False, db_default=False)
    """Whether the list shows it above the others."""
    share_key = models.CharField(max_length=43, blank=True, default="", db_default="")
    """Secret part of the link under which all who are signed in may read it; empty when it is not shared."""
    shared_to = models.PositiveIntegerField(default=0, db_default=0)
    """The link shows the transcript as it was at this position."""

    class Meta:
        indexes = [
            models.Index(fields=["share_key"], name="shared_by_key", condition=~Q(share_key="")),
            models.Index(fields=["user", "-updated_at", "-id"], name="pinned_chats", condition=Q(pinned=True)),
            models.Index(fields=["user", "-updated_at", "-id"], name="chats_of_user", condition=Q(kind="chat")),
            models.Index(fields=["updated_at"], name="chats_by_age", condition=Q(kind="chat")),
            models.Index(fields=["memory_used_at"], name="memories_by_age", condition=Q(memory_used_at__isnull=False)),
        ]


class Message(models.Model):
    """One message of the transcript; its id is also its LangChain message id."""

    class Role(models.TextChoices):
        USER = "user"
        ASSISTANT = "assistant"
        TOOL = "tool"
        SYSTEM = "system"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="messages")
    position = models.PositiveIntegerField()
    role = models.CharField(max_length=9, choices=Role.choices)
    text = models.TextField(blank=True)
    attachments = models.JSONField(null=True)
    """What was sent with it: a list of {id, name, bytes}; null when there was nothing. The texts are rows of
    ``attachments``, which nobody reads for messages without any."""
    rolled_back = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["conversation", "position"], name="one_message_per_position")]
