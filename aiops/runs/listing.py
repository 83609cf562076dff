"""Which runs a person may see, and lists of them with the first line of each prompt."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Substr

from aiops.people.models import User
from aiops.runs.models import Run

VIEW_ALL = "runs.view_all"
"""The permission to see everybody's runs."""
NEWEST = 10_000
"""Filters without an index of their own look at so many of the newest runs, whatever the table's size."""
PROMPT_CHARACTERS = 200
MAX_WORDS = 8
"""Of a search; each costs a comparison of every row."""


def visible_to(user: User) -> QuerySet[Run]:
    """Return everybody's runs for holders of ``VIEW_ALL``, otherwise the user's own."""
    return Run.objects.all() if user.has_perm(VIEW_ALL) else Run.objects.filter(user=user.pk)


def with_facts(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Add ``user_name`` and ``prompt_text``, the beginning of the message."""
    begin = Substr("message__text", 1, PROMPT_CHARACTERS * 2)
    return runs.annotate(user_name=F("user__username"), prompt_text=begin)


def prompt_of(run: Any) -> str:
    """Return the first line of the prompt of a run ``with_facts``."""
    lines = [line.strip() for line in run.prompt_text.splitlines() if line.strip()]
    first = lines[0] if lines else ""
    return first if len(first) <= PROMPT_CHARACTERS else first[: PROMPT_CHARACTERS - 1].rstrip() + "…"


def newest(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Return the ``NEWEST`` of these runs, for filters that would read the whole table."""
    last = runs.order_by("-pk").values_list("pk", flat=True)[NEWEST : NEWEST + 1].first()
    return runs if last is None else runs.filter(pk__gt=last)


def of_model(runs: QuerySet[Run], name: str) -> QuerySet[Run]:
    """Return runs that this model (provider:name) answered, or that asked for it (name)."""
    return runs.filter(Q(usage__model=name) | Q(options__model=name))


def with_notice(runs: QuerySet[Run], code: str) -> QuerySet[Run]:
    """Return runs that have a notice of this code, which is one of ours and no text of users."""
    return runs.filter(notices__icontains=f'"code": "{code}"')


def containing(runs: QuerySet[Run], text: str) -> QuerySet[Run]:
    """Return runs whose prompt, answer or error contains each of the words."""
    for word in text.split()[:MAX_WORDS]:
        runs = runs.filter(
            Q(message__text__icontains=word) | Q(answer__icontains=word) | Q(error__detail__icontains=word)
        )
    return runs
