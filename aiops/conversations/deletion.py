"""Deletes conversations with their messages and runs, also while they are in use."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import SET_NULL, ForeignObjectRel, QuerySet

from aiops.conversations.models import Conversation
from aiops.locks import lock
from aiops.runs.models import Run


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted; ``runs`` maps each run to the state that it had."""

    conversations: list[str]
    runs: dict[str, str]


def delete(chosen: QuerySet[Conversation]) -> Deleted:
    """Delete the chosen conversations, except those that no longer match once they are locked.

    After the commit the caller removes their memory and events, and asks workers to stop.
    """
    with transaction.atomic():
        locked = lock_all(chosen.values_list("pk", flat=True))
        still = list(chosen.filter(pk__in=locked).values_list("pk", flat=True))
        runs = Run.objects.select_for_update().filter(conversation__in=still).order_by("pk")
        states = {str(pk): state for pk, state in runs.values_list("pk", "state")}
        Conversation.objects.filter(pk__in=still).delete()
    return Deleted([str(pk) for pk in still], states)


def lock_all(conversations: Iterable[UUID]) -> list[UUID]:
    """Lock conversations for deletion, after the rows that refer to them and stay (SET NULL)."""
    ids = list(conversations)
    for relation in Conversation._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and relation.on_delete is SET_NULL:
            holders: Any = relation.related_model
            lock(holders.objects.filter(**{f"{relation.field.name}__in": ids}))
    return lock(Conversation.objects.filter(pk__in=ids), to_delete=True)
