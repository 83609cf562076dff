"""Removes what is kept no longer, and memory that no conversation has."""

from __future__ import annotations

from aiops.conversations import memories
from aiops.retention import pruning, rules
from aiops.settings import Settings

FOR_S = 20.0
"""Time for all rules together; what is left goes the next time."""


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts by rule."""
    chosen = rules.rules(settings)
    removed = {rule.name: pruning.prune(rule, for_s=FOR_S / len(chosen)) for rule in chosen}
    return {**removed, "orphaned_memories": memories.forget_orphans()}
