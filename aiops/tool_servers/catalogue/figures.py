"""How often tools were called lately, how often they failed, and how long they took."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from aiops.tool_servers.models import ToolCall

DAYS = 7
MOST = 10_000
"""Calls that are looked at, the latest: the cost does not grow with the table."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the latest calls of one tool; times in milliseconds."""

    calls: int = 0
    failed: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None


def lately(**of: Any) -> dict[tuple[str, str], Figures]:
    """Return the figures of the tools that were called in the last days, by (server, tool); ``of`` filters calls."""
    rows = ToolCall.objects.filter(at__gt=Now() - timedelta(days=DAYS), **of).order_by("-id")
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    failed: dict[tuple[str, str], int] = defaultdict(int)
    for server, name, outcome, ms in rows.values_list("server", "name", "outcome", "ms")[:MOST]:
        times[server, name].append(ms)
        failed[server, name] += outcome != ToolCall.Outcome.OK
    return {
        tool: Figures(len(took), failed[tool], _percentile(took, 0.5), _percentile(took, 0.95))
        for tool, took in times.items()
    }


def _percentile(values: list[float], share: float) -> float:
    """Return the smallest value that so large a share of all does not exceed."""
    return sorted(values)[math.ceil(len(values) * share) - 1]
