"""The tables of the audit log: its rows, which are only ever added, and the checkpoints that sign their state."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

APPENDED_ONLY = "Rows of the audit log are only added: they are never changed, and only retention removes old ones."


class AppendOnly(TypeError):
    """An attempt to change or delete rows of the audit log."""

    def __init__(self) -> None:
        super().__init__(APPENDED_ONLY)


class AuditRows(models.QuerySet["AuditRow"]):
    """Rows that can be read and added; ``pruning`` removes old ones by SQL of its own."""

    def update(self, **_: Any) -> int:
        raise AppendOnly

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly

    def bulk_update(self, *_: Any, **__: Any) -> int:
        raise AppendOnly


class AuditRow(models.Model):
    """One thing that was done; it outlives whoever did it and what it was done to. Only ``recording`` adds rows."""

    sequence = models.PositiveBigIntegerField(primary_key=True, editable=False)
    """1, 2, 3 …, without gaps."""
    at = models.DateTimeField(db_index=True)
    """The database's time, to the microsecond, which is all that is stored."""
    actor = models.CharField(max_length=150)
    """A user's name, or ``system``, ``worker``, ``unknown``."""
    actor_id = models.UUIDField(null=True)
    """The user's id; no foreign key, because accounts are deleted."""
    action = models.CharField(max_length=60)
    object = models.CharField(max_length=300)
    """What it was done to, as ``kind:name``."""
    details = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    """SHA-256 over all other columns (``hashing``)."""

    objects = AuditRows.as_manager()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["actor", "-sequence"], name="audit_by_actor"),
            models.Index(fields=["action", "-sequence"], name="audit_by_action"),
            models.Index(fields=["object", "-sequence"], name="audit_by_object"),
        ]

    def __str__(self) -> str:
        return f"{self.sequence} {self.action} {self.object}"

    def save(self, *args: Any, **options: Any) -> None:
        if not self._state.adding:
            raise AppendOnly
        super().save(*args, **{**options, "force_insert": True})

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly


class Checkpoint(models.Model):
    """The state of the log at one row, signed with a key that the database does not have (``signing``)."""

    class Kind(models.TextChoices):
        """Verified: the rows up to it were found unchanged. Pruned: the rows up to it were removed."""

        VERIFIED = "verified"
        PRUNED = "pruned"

    kind = models.CharField(max_length=8, choices=Kind.choices)
    sequence = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)
    at = models.DateTimeField()
    signature = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(fields=["sequence"], name="checkpoints_in_order"),
            models.Index(fields=["-sequence"], name="pruned_up_to", condition=Q(kind="pruned")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.sequence}"
