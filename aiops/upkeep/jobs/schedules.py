"""Starts what schedules ask for now."""

from __future__ import annotations

from aiops.schedules import firing
from aiops.settings import Settings


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    return firing.tick(settings)
