"""One page of a list ordered by primary key, with links to those beside it; the cost does not grow with the table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Field, QuerySet
from django.http import HttpRequest, QueryDict

SIZE = 50
BEFORE, AFTER = "before", "after"
MAX_KEY_CHARACTERS = 36


@dataclass(frozen=True, slots=True)
class Page:
    """Rows, newest first; ``newer`` and ``older`` are query strings of the pages beside it, empty at the ends."""

    rows: list[Any]
    newer: str
    older: str


def page_of(queryset: QuerySet[Any], request: HttpRequest) -> Page:
    """Return the page that ``before`` or ``after`` (keys) name; without them, or with nonsense, the first one."""
    key = queryset.model._meta.pk
    before, after = _key(request.GET.get(BEFORE, ""), key), _key(request.GET.get(AFTER, ""), key)
    if after is not None:
        rows = list(queryset.filter(pk__gt=after).order_by("pk")[: SIZE + 1])
        more_newer, more_older = len(rows) > SIZE, True
        rows = rows[:SIZE][::-1]
    else:
        rows = list((queryset.filter(pk__lt=before) if before is not None else queryset).order_by("-pk")[: SIZE + 1])
        more_newer, more_older = before is not None, len(rows) > SIZE
        rows = rows[:SIZE]
    newer = _query(request.GET, AFTER, rows[0].pk) if rows and more_newer else ""
    older = _query(request.GET, BEFORE, rows[-1].pk) if rows and more_older else ""
    return Page(rows, newer, older)


def _key(text: str, key: Field[Any, Any]) -> Any:
    try:
        value = key.to_python(text[:MAX_KEY_CHARACTERS])
    except ValidationError:
        return None
    return None if value in key.empty_values else value


def _query(query: QueryDict, name: str, value: Any) -> str:
    changed = query.copy()
    for one in (BEFORE, AFTER):
        changed.pop(one, None)
    changed[name] = str(value)
    return "?" + changed.urlencode()
