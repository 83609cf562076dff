"""Rules of retention: ``AIOPS_RETENTION`` maps a kind of object, or a kind in one state, to days that it is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from aiops import dispatch
from aiops.batches.models import Batch
from aiops.conversations.models import Conversation, Run
from aiops.schedules.models import Firing
from aiops.settings import Settings
from aiops.webhooks.models import Delivery

RUNS, CONVERSATIONS, BATCHES, FIRINGS, DELIVERIES = "runs", "conversations", "batches", "firings", "deliveries"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind, its state ("" for all), and how many days it is kept."""

    kind: str
    state: str
    days: int

    @property
    def name(self) -> str:
        """As the setting spells it."""
        return f"{self.kind}.{self.state}" if self.state else self.kind

    def due(self) -> QuerySet[Any]:
        """Return what is older, the oldest first."""
        return FOUND[self.kind](self.state, Now() - timedelta(days=self.days))


def _runs(state: str, before: Any) -> QuerySet[Any]:
    of_chats = Run.objects.filter(queue=dispatch.RUNS_QUEUE, state=state, finished_at__lt=before)
    return of_chats.order_by("finished_at")


def _conversations(state: str, before: Any) -> QuerySet[Any]:
    busy = Run.objects.filter(conversation=OuterRef("pk"), state__in=Run.UNFINISHED)
    idle = Conversation.objects.filter(~Exists(busy), kind=Conversation.Kind.CHAT, updated_at__lt=before)
    return idle.order_by("updated_at")


def _batches(state: str, before: Any) -> QuerySet[Any]:
    return Batch.objects.filter(state=state, ended_at__lt=before, deleted_at=None).order_by("ended_at")


def _firings(state: str, before: Any) -> QuerySet[Any]:
    ended = Firing.objects.filter(~Q(outcome=Firing.Outcome.STARTED), fired_at__lt=before)
    return ended.order_by("fired_at")


def _deliveries(state: str, before: Any) -> QuerySet[Any]:
    ended = Delivery.objects.filter(~Q(state=Delivery.State.PENDING), created_at__lt=before)
    return ended.order_by("created_at")


FOUND: dict[str, Callable[[str, Any], QuerySet[Any]]] = {
    RUNS: _runs,
    CONVERSATIONS: _conversations,
    BATCHES: _batches,
    FIRINGS: _firings,
    DELIVERIES: _deliveries,
}
STATES: dict[str, tuple[str, ...]] = {RUNS: Run.ENDED, BATCHES: Batch.ENDED}


def rules(settings: Settings) -> list[Rule]:
    """Return the rules of this system; a kind that has states and names none stands for all of them."""
    made: dict[tuple[str, str], Rule] = {}
    for name, days in sorted(settings.retention.items()):  # a kind comes before its states, which win
        kind, _, state = name.partition(".")
        for one in (state,) if state else STATES.get(kind, ("",)):
            made[kind, str(one)] = Rule(kind, str(one), days)
    return list(made.values())
