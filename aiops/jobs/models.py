"""The table of upkeep: one row for each time a job ran, which is also its lock."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class JobRun(models.Model):
    """One execution of one job; the unique slot makes a second beat's request a no-op."""

    class Outcome(models.TextChoices):
        """How it went; running for ever means that its worker died."""

        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    job = models.CharField(max_length=40)
    slot = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.RUNNING)
    started_at = models.DateTimeField(db_default=Now())
    ms = models.FloatField(null=True)
    summary = models.JSONField(default=dict)
    """Counts of what was done, or ``error``."""

    class Meta:
        """A slot of a job is worked once."""

        db_table = "upkeep_jobrun"
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="one_run_per_slot")]
        indexes = [models.Index(fields=["job", "-started_at"], name="runs_of_job")]
