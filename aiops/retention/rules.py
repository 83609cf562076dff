"""The rules of AIOPS_RETENTION, which maps a kind of object, or a kind in one state, to days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now

from aiops.apps import RetentionKind, features, load
from aiops.settings import Settings

MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind, its state ("" for all), and after how many days it is removed."""

    kept: RetentionKind
    state: str
    days: int

    @property
    def name(self) -> str:
        """The name that the setting uses."""
        return f"{self.kept.kind}.{self.state}" if self.state else self.kept.kind

    def due(self) -> QuerySet[Any]:
        """Return older objects, oldest first."""
        found: QuerySet[Any] = load(self.kept.due)(self.state, Now() - timedelta(days=self.days))
        return found

    def remove(self, due: QuerySet[Any]) -> int:
        """Remove these in one transaction; return how many were removed."""
        count: int = load(self.kept.remove)(due)
        return count


def kinds() -> dict[str, RetentionKind]:
    """Return every kind that an installed feature declares."""
    return {kept.kind: kept for feature in features() for kept in feature.retention}


def rules(settings: Settings) -> list[Rule]:
    """Return the configured rules; a kind with states that names none stands for all of them."""
    known = kinds()
    made: dict[tuple[str, str], Rule] = {}
    for name, days in sorted(settings.retention.items()):  # a kind sorts before its states, which override it
        kind, _, state = name.partition(".")
        for one in (state,) if state else known[kind].states or ("",):
            made[kind, str(one)] = Rule(known[kind], str(one), days)
    return list(made.values())


def preview(settings: Settings) -> list[dict[str, Any]]:
    """Return each rule with the number of objects that it would remove now."""
    return [
        {"rule": rule.name, "days": rule.days, "would_remove": rule.due()[:MOST_COUNTED].count()}
        for rule in rules(settings)
    ]


def problems(settings: Settings) -> list[str]:
    """Return a sentence for each name in AIOPS_RETENTION that no installed feature declares."""
    known = kinds()
    names = [name for kind, kept in known.items() for name in (kind, *(f"{kind}.{state}" for state in kept.states))]
    wrong = sorted(set(settings.retention) - set(names))
    return [f"AIOPS_RETENTION: there is no kind {name}: use one of {', '.join(names)}." for name in wrong]
