"""Response serializers of the audit log."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.audit.hashing import time_text
from aiops.audit.models import AuditRow
from aiops.web.api.parsing import ObjectField


class AuditRowOut(serializers.ModelSerializer[AuditRow]):
    """One row: everything that its hash covers."""

    at = serializers.SerializerMethodField(help_text="to the microsecond, as it is hashed")
    details = ObjectField()

    class Meta:
        model = AuditRow
        fields = ["sequence", "at", "actor", "actor_id", "action", "object", "details", "previous_hash", "hash"]

    @extend_schema_field({"type": "string", "format": "date-time"})
    def get_at(self, row: AuditRow) -> str:
        return time_text(row.at)


class ProblemOut(serializers.Serializer[Any]):
    """The first row that was changed or is missing."""

    sequence = serializers.IntegerField()
    what = serializers.CharField()


class VerifiedOut(serializers.Serializer[Any]):
    """One page of a verification."""

    checked = serializers.IntegerField(help_text="rows of this page that are well")
    after = serializers.IntegerField(help_text="the last row that is well: the next page begins behind it")
    done = serializers.BooleanField()
    problem = ProblemOut(allow_null=True)
