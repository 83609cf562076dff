"""The tables of tool servers and of their health by the hour."""

from __future__ import annotations

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.tool_servers import rules
from aiops.tool_servers.client import values

MAX_HANDSHAKE_S = 30
MAX_CALL_S = 300
CALL_S = (MinValueValidator(1), MaxValueValidator(MAX_CALL_S))
RUN_COMMANDS = "tool_servers.run_commands"


class MCPServer(models.Model):
    """One tool server; every entrance validates it with ``full_clean`` (see ``rules``)."""

    class Protocol(models.TextChoices):
        HTTP = "http", "HTTP (streamable)"
        SSE = "sse", "HTTP with SSE (older)"
        STDIO = "stdio", "STDIO (a command)"

    class Place(models.TextChoices):
        """An external server is reached by https at public addresses only."""

        INTERNAL = "internal"
        EXTERNAL = "external"

    class Credential(models.TextChoices):
        """Whose credential it gets; which of the first two is the case follows from its headers and environment."""

        NONE = "none"
        SHARED = "shared", "Shared (secrets in its headers or environment)"
        USER = "user", "Each person's own"

    class Status(models.TextChoices):
        """Only healthy servers are used; the health job changes the first three states and never the others."""

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
        default=dict,
        blank=True,
        help_text='{"Authorization": "Bearer ${AIOPS_SECRET_…}"}: variables of workers.',
    )
    command = models.CharField(max_length=500, blank=True, help_text="A program; {python} is our own Python.")
    args = models.JSONField("arguments", default=list, blank=True, help_text='["--verbose"]')
    env = models.JSONField(
        "environment", default=dict, blank=True, help_text='{"LEVEL": "3", "TOKEN": "env:AIOPS_SECRET_…"}'
    )
    cwd = models.CharField(
        "folder",
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="In which the command runs, such as /srv/tools.",
    )
    credential = models.CharField(
        max_length=6,
        choices=Credential.choices,
        default=Credential.NONE,
        db_default=Credential.NONE,
        help_text="Each person's own: they enter it, and only their own calls carry it.",
    )
    credential_header = models.CharField(
        "header of the credential",
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="Gets each person's own credential, as it is; empty: Authorization, as a bearer token.",
    )
    place = models.CharField(max_length=8, choices=Place.choices, default=Place.INTERNAL)
    required = models.BooleanField(default=False, help_text="Nothing is answered without it.")
    handshake_s = models.PositiveIntegerField(
        "handshake, seconds", default=15, validators=[MinValueValidator(1), MaxValueValidator(MAX_HANDSHAKE_S)]
    )
    call_s = models.PositiveIntegerField(
        "call, seconds", null=True, blank=True, validators=CALL_S, help_text="Otherwise AIOPS_TOOL_TIMEOUT_S."
    )

    status = models.CharField(max_length=11, choices=Status.choices, default=Status.UNKNOWN)
    problem = models.CharField(max_length=300, blank=True, editable=False)
    """Failure of the last health check."""
    output = models.TextField(blank=True, db_default="", editable=False)
    """The end of what its command wrote when the last health check failed."""
    tools = models.JSONField(null=True, editable=False)
    """Tools at the last handshake: name, description, read_only, problem (why a tool is refused)."""
    prompts = models.JSONField(null=True, editable=False)
    """As it listed them last (``OtherLists``); null: none that it declares, or that could be listed."""
    resources = models.JSONField(null=True, editable=False)
    lists_problem = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    """Why one of these two lists is missing or not whole."""
    suspected = models.CharField(max_length=11, blank=True, editable=False)
    """The new status that health checks have seen and not yet confirmed."""
    confirmations = models.PositiveSmallIntegerField(default=0, editable=False)
    look_at = models.DateTimeField(db_default=Now(), editable=False)
    """Time of the next health check."""
    checked_at = models.DateTimeField(null=True, editable=False)
    status_since = models.DateTimeField(db_default=Now(), editable=False)
    accept_tools = models.BooleanField(
        "accept its tools",
        default=False,
        db_default=False,
        help_text="Accept the tools of its next list, as they are; false again after that.",
    )
    tags = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "tool server"
        ordering = ["name"]
        # Commands run with the rights of a worker, so that changing them needs a permission of its own.
        permissions = [("run_commands", "Can add and change tool servers that run a command")]

    def __str__(self) -> str:
        return self.name

    @property
    def usable_tools(self) -> list[dict[str, Any]]:
        """Tools of the last handshake that runs may use."""
        return [tool for tool in self.tools or () if not tool.get("problem")]

    @property
    def refused_tools(self) -> list[dict[str, Any]]:
        """Tools of the last handshake that no model can be given; ``problem`` states why."""
        return [tool for tool in self.tools or () if tool.get("problem")]

    def may_be_changed_by(self, user: Any) -> bool:
        """Return whether a user who may change tool servers may change this one."""
        return self.protocol != self.Protocol.STDIO or bool(user.has_perm(RUN_COMMANDS))

    def clean(self) -> None:
        rules.check(self)


class HealthHour(models.Model):
    """How often a server was checked within an hour, and how often it failed."""

    server = models.ForeignKey(MCPServer, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    """When the hour began."""
    checks = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "hour"], name="one_row_per_hour")]
        indexes = [models.Index(fields=["hour"], name="health_by_age")]
