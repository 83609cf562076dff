"""Tables of the registry: MCPServer, ProviderHealth."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.registry import checking
from aiops.tools import values

MAX_HANDSHAKE_S = 30
MAX_CALL_S = 300


class MCPServer(models.Model):
    """One tool server; what it may be is in ``clean``, which every door calls."""

    class Protocol(models.TextChoices):
        """How it is spoken to."""

        HTTP = "http", "HTTP (streamable)"
        SSE = "sse", "HTTP with SSE (older)"
        STDIO = "stdio", "STDIO (a command)"

    class Place(models.TextChoices):
        """Whose it is: an external one is reached by https at public addresses alone."""

        INTERNAL = "internal"
        EXTERNAL = "external"

    class Status(models.TextChoices):
        """Only a healthy one serves; the health job changes the first three and leaves the others alone."""

        HEALTHY = "healthy"
        FAILED = "failed"
        UNKNOWN = "unknown"
        MAINTENANCE = "maintenance"
        VULNERABLE = "vulnerable"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=31,
        unique=True,
        validators=[RegexValidator(values.NAME, "Lower case letters, digits and dashes, beginning with a letter.")],
        help_text="Goes before the names of its tools.",
    )
    protocol = models.CharField(max_length=5, choices=Protocol.choices, default=Protocol.HTTP)
    url = models.CharField("URL", max_length=500, blank=True, help_text="Such as https://tools.example.org")
    endpoint = models.CharField(max_length=200, blank=True, help_text="Path of MCP at that URL, such as /mcp")
    health_path = models.CharField(
        max_length=200, blank=True, help_text="What is asked for its health, such as /health; otherwise a handshake."
    )
    headers = models.JSONField(
        default=dict, blank=True, help_text='{"Authorization": "env:AIOPS_SECRET_…"}: values are variables of workers.'
    )
    command = models.CharField(max_length=500, blank=True, help_text="A program; {python} is our own Python.")
    args = models.JSONField("arguments", default=list, blank=True, help_text='["--verbose"]')
    env = models.JSONField(
        "environment", default=dict, blank=True, help_text='{"LEVEL": "3", "TOKEN": "env:AIOPS_SECRET_…"}'
    )
    place = models.CharField(max_length=8, choices=Place.choices, default=Place.INTERNAL)
    required = models.BooleanField(default=False, help_text="Nothing is answered without it.")
    handshake_s = models.PositiveIntegerField(
        "handshake, seconds", default=15, validators=[MinValueValidator(1), MaxValueValidator(MAX_HANDSHAKE_S)]
    )
    call_s = models.PositiveIntegerField(
        "call, seconds",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_CALL_S)],
        help_text="Otherwise AIOPS_TOOL_TIMEOUT_S.",
    )

    status = models.CharField(max_length=11, choices=Status.choices, default=Status.UNKNOWN)
    problem = models.CharField(max_length=300, blank=True, editable=False)
    """What the last look found wrong."""
    tools = models.JSONField(null=True, editable=False)
    """What it offered at the last handshake: name, description, read_only."""
    suspected = models.CharField(max_length=11, blank=True, editable=False)
    """The status that looks say it has by now, while they confirm each other."""
    confirmations = models.PositiveSmallIntegerField(default=0, editable=False)
    look_at = models.DateTimeField(db_default=Now(), editable=False)
    """When the health job looks again."""
    checked_at = models.DateTimeField(null=True, editable=False)
    status_since = models.DateTimeField(db_default=Now(), editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Commands run with the rights of a worker, so a permission of their own lets somebody write them."""

        verbose_name = "tool server"
        ordering = ["name"]
        permissions = [("run_commands", "Can add and change tool servers that run a command")]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raise ValidationError, by field, for what no tool server can be."""
        checking.check(self)


class ProviderHealth(models.Model):
    """Whether a model provider could be reached when the health job last asked."""

    provider = models.CharField(primary_key=True, max_length=40)
    reachable = models.BooleanField()
    detail = models.CharField(max_length=300)
    checked_at = models.DateTimeField()
    since = models.DateTimeField()
    """Since when it has been so."""
