"""The list of conversations beside the chat: the latest, or those in which a text is found, each with the hit."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from aiops.conversations.models import Conversation, Message
from aiops.conversations.turns import ON_ONE_PAGE

SHOWN = 60
MOST = 3_000
"""The list never gets longer: a search finds the rest."""
PINNED = 100
"""Pinned conversations that are shown."""
SNIPPET = 90
"""Characters around a hit."""
BEYOND = 20
"""Positions after a hit that its link shows, too."""


def rows(found: QuerySet[Conversation], *, search: str, shown: int) -> dict[str, Any]:
    """Return what the template shows of these conversations; ``shown`` is how many there are now."""
    shown = max(SHOWN, min(shown, MOST))
    pinned = [] if search else list(found.filter(pinned=True).order_by("-updated_at", "-id")[:PINNED])
    latest = (found if search else found.filter(pinned=False)).order_by("-updated_at", "-id")
    if search:
        hits = Message.objects.filter(conversation=OuterRef("pk"), rolled_back=False, text__icontains=search)
        first = hits.order_by("-position")
        latest = latest.annotate(
            hit=Subquery(first.values("text")[:1]),
            hit_position=Subquery(first.values("position")[:1]),
            hit_role=Subquery(first.values("role")[:1]),
        )
    listed: list[Any] = list(latest[: shown + 1])
    if search:
        for row in listed:
            _describe(row, search)
    more = len(listed) > shown and shown < MOST
    return {
        "pinned": pinned,
        "conversations": listed[:shown],
        "more": more,
        "search": search,
        "shown": shown,
        "next": shown + SHOWN,
    }


def _describe(row: Any, search: str) -> None:
    """Add the words around the hit, and the query and anchor that lead to it."""
    row.snippet, row.leads_to = "", ""
    if row.hit is None:  # only the title has it
        return
    text = " ".join(row.hit.split())
    at = max(text.lower().find(" ".join(search.split()).lower()), 0)
    begin, end = max(at - SNIPPET // 3, 0), at + SNIPPET
    row.snippet = ("…" if begin else "") + text[begin:end] + ("…" if end < len(text) else "")
    asked = row.hit_position if row.hit_role == Message.Role.USER else row.hit_position - 1
    is_far = row.last_position - asked > 2 * ON_ONE_PAGE  # a turn takes two positions
    row.leads_to = f"{f'?before={asked + BEYOND}' if is_far else ''}#turn-{asked}"
