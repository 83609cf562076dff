"""The table of transfers."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id


class Transfer(models.Model):
    """A CSV file on its way into a table of rows, or out of it; a worker does it, and its page shows how far it is."""

    class Direction(models.TextChoices):
        IMPORT = "import", "Import"
        EXPORT = "export", "Export"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    table = models.CharField(max_length=40)
    """Path of the resource below /api/."""
    direction = models.CharField(max_length=6, choices=Direction.choices)
    state = models.CharField(max_length=7, choices=State.choices, default=State.QUEUED)
    file_name = models.CharField(max_length=200)
    file = models.BinaryField(null=True)
    """What is imported, or what came out."""
    chosen = models.JSONField(default=list)
    """Ids of the rows to export; empty: all."""
    reason = models.CharField(max_length=500, blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    """How often a worker took it; one that was given up writes no more."""
    phase = models.CharField(max_length=10, blank=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    """Rows of the current phase."""
    outcome = models.JSONField(default=dict)
    """Counts: added, changed, unchanged; exported."""
    problems = models.JSONField(default=list)
    """[{row, column, text}]; ``row`` counts as a spreadsheet does, ``column`` is empty for the whole row."""
    created_at = models.DateTimeField(db_default=Now())
    touched_at = models.DateTimeField(null=True)
    """Last sign of life of the worker."""
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.get_direction_display()} of {self.table}: {self.file_name}"
