"""The tables of tools, and of the calls that runs make."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.tool_servers.client.values import ToolClass
from aiops.tool_servers.models.servers import CALL_S, MCPServer

MAX_RESULT_BYTES = 1_000_000


class Tool(models.Model):
    """One tool of a server: what it is, what it may do, and whether runs may use it (``catalogue``)."""

    class Class(models.TextChoices):
        """What a call does; unknown counts as write."""

        READ = ToolClass.READ.value
        WRITE = ToolClass.WRITE.value
        DESTRUCTIVE = ToolClass.DESTRUCTIVE.value
        UNKNOWN = ToolClass.UNKNOWN.value

    class Status(models.TextChoices):
        """Only accepted tools are used; a pending one waits for a person, a dropped one cannot be used."""

        ACCEPTED = "accepted"
        PENDING = "pending"
        DROPPED = "dropped"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    server = models.ForeignKey(MCPServer, models.CASCADE, related_name="catalogue")
    name = models.CharField(max_length=128, editable=False)
    """As its server calls it."""
    tool_class = models.CharField("class", max_length=11, choices=Class.choices, default=Class.UNKNOWN)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.PENDING, editable=False)
    problem = models.CharField(max_length=300, blank=True, editable=False)
    """Why it is dropped."""
    pin = models.CharField(max_length=64, blank=True, editable=False)
    """Of the definition that was accepted; empty: none yet, or that of the next list."""
    definition = models.JSONField(default=dict, editable=False)
    """The accepted one: name, title, description, inputSchema, annotations."""
    offered_pin = models.CharField(max_length=64, blank=True, editable=False)
    """Of the definition in its server's last list; empty when it was not in it."""
    offered = models.JSONField(default=dict, editable=False)
    is_enabled = models.BooleanField(default=True)
    timeout_s = models.PositiveIntegerField(
        "timeout, seconds",
        null=True,
        blank=True,
        validators=CALL_S,
        help_text="Of a call, without a sign of progress; otherwise its server's.",
    )
    max_result_bytes = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(100), MaxValueValidator(MAX_RESULT_BYTES)],
        help_text="Of a result, for the model; otherwise AIOPS_TOOL_RESULT_BYTES.",
    )
    calls_per_run = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1)], help_text="Otherwise AIOPS_MAX_TOOL_CALLS for all."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["server__name", "name"]
        constraints = [models.UniqueConstraint(fields=["server", "name"], name="one_tool_of_a_name")]

    def __str__(self) -> str:
        return f"{self.server.name}_{self.name}"

    @property
    def description(self) -> str:
        """What its server says about it now, or said when it was accepted."""
        return str((self.offered or self.definition).get("description") or "")


class ToolCall(models.Model):
    """One call that a run made of a tool; it outlives its run, its tool and the person who asked."""

    class Outcome(models.TextChoices):
        """Unknown: it was stopped, or its worker died, before it had answered."""

        OK = "ok"
        ERROR = "error"
        UNKNOWN = "unknown"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(db_default=Now())
    """When it had ended."""
    run = models.UUIDField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    server = models.CharField(max_length=31)
    name = models.CharField(max_length=128)
    tool_class = models.CharField("class", max_length=11, choices=Tool.Class.choices)
    outcome = models.CharField(max_length=7, choices=Outcome.choices)
    ms = models.FloatField()
    bytes = models.PositiveBigIntegerField()
    """Of its result, before it was cut for the model."""
    arguments_hash = models.CharField(max_length=64)
    """SHA-256 of the RFC 8785 form of its arguments."""
    arguments = models.JSONField(null=True)
    """In clear only where AIOPS_RECORD_TOOL_ARGUMENTS says so."""

    class Meta:
        indexes = [
            models.Index(fields=["at"], name="tool_calls_by_age"),
            models.Index(fields=["server", "name", "-id"], name="calls_of_tool"),
            models.Index(fields=["run"], name="calls_of_run"),
        ]
