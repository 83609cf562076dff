"""Selects the records of tool calls that AIOPS_RETENTION removes."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from aiops.tool_servers.models import ToolCall


def old(state: str, before: Any) -> QuerySet[ToolCall]:
    """Return the calls that had ended before a time, oldest first."""
    return ToolCall.objects.filter(at__lt=before).order_by("at")
