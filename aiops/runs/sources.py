"""Where a run comes from. It imports nothing of ours, so that the CLI uses it too."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """Which door accepted a run's message."""

    CHAT = "chat"
    API = "api"
    BATCH = "batch"
    SCHEDULE = "schedule"


UNATTENDED = frozenset({Source.BATCH, Source.SCHEDULE})
"""Nobody waits for the answer."""
CHOICES = [(source.value, "API" if source == Source.API else source.value.capitalize()) for source in Source]
"""(value, label) pairs, as Django and DRF take choices."""
