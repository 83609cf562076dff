"""One page of a list ordered by id, with links to those beside it; the cost does not grow with the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

SIZE = 50
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first; ``newer`` and ``older`` are query strings of the pages beside it, empty at the ends."""

    rows: list[Any]
    newer: str
    older: str


def page_of(queryset: QuerySet[Any], request: HttpRequest) -> Page:
    """Return the page that ``before`` or ``after`` (ids) name; without them, or with nonsense, the first one."""
    before, after = _id(request.GET, BEFORE), _id(request.GET, AFTER)
    if after is not None:
        rows = list(queryset.filter(pk__gt=after).order_by("pk")[: SIZE + 1])
        more_newer, more_older = len(rows) > SIZE, True
        rows = rows[:SIZE][::-1]
    else:
        rows = list((queryset.filter(pk__lt=before) if before else queryset).order_by("-pk")[: SIZE + 1])
        more_newer, more_older = before is not None, len(rows) > SIZE
        rows = rows[:SIZE]
    newer = _query(request.GET, AFTER, rows[0].pk) if rows and more_newer else ""
    older = _query(request.GET, BEFORE, rows[-1].pk) if rows and more_older else ""
    return Page(rows, newer, older)


def _id(query: QueryDict, name: str) -> UUID | None:
    try:
        return UUID(query.get(name, ""))
    except ValueError:
        return None


def _query(query: QueryDict, name: str, value: UUID) -> str:
    changed = query.copy()
    for one in (BEFORE, AFTER):
        changed.pop(one, None)
    changed[name] = str(value)
    return "?" + changed.urlencode()
