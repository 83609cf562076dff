"""The table of maintenance: one row for each run of a job, which is also the lock of its slot."""

from django.db import models
from django.db.models.functions import Now


class JobRun(models.Model):
    """One run of one job; its unique slot makes the request of a second beat a no-op."""

    class Outcome(models.TextChoices):
        """A run that stays ``running`` has lost its worker."""

        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    job = models.CharField(max_length=40)
    slot = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.RUNNING)
    started_at = models.DateTimeField(db_default=Now())
    ms = models.FloatField(null=True)
    summary = models.JSONField(default=dict)
    """Counts by name, or ``error``."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "slot"], name="one_run_per_slot")]
        indexes = [models.Index(fields=["job", "-started_at"], name="runs_of_job")]
