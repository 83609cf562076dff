"""Tells receivers of what has ended."""

from __future__ import annotations

from aiops.settings import Settings
from aiops.webhooks import delivering, outbox


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    return {"collected": outbox.collect(), **delivering.deliver(settings)}
