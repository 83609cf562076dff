"""The page of the audit log: its rows with filters, and up to which one it was verified."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.audit import checkpoints
from aiops.audit.actions import Action
from aiops.audit.filters import AuditFilters
from aiops.audit.models import AuditRow
from aiops.web.pages.listing import page_of
from aiops.web.pages.rights import needs

SHOWN = 3
SHOWN_CHARACTERS = 160


@require_GET
@login_required
@needs("audit.view_auditrow")
def list_(request: HttpRequest) -> HttpResponse:
    """Show rows, newest first."""
    filters = AuditFilters(request.GET, AuditRow.objects.all(), request=request)
    given = QueryDict(mutable=True)
    given.update({name: value for name in filters.filters if (value := request.GET.get(name))})
    page = page_of(filters.qs if filters.is_valid() else AuditRow.objects.none(), request)
    context = {
        "here": "audit",
        "page": page,
        "rows": [_row(row) for row in page.rows],
        "filters": filters,
        "actions": [one.value for one in Action],
        "is_filtered": bool(given),
        "export_query": f"?{given.urlencode()}" if given else "",
        "signed": checkpoints.newest(),
    }
    return render(request, "audit/audit.html", context)


def _row(row: AuditRow) -> dict[str, Any]:
    """Return a row with the details that are shown at once, and what else there is: the rest, and long ones whole."""
    every = details(row)
    more = [one for at, one in enumerate(every) if at >= SHOWN or len(one[1]) > SHOWN_CHARACTERS]
    return {"row": row, "shown": every[:SHOWN], "more": more}


def details(row: AuditRow) -> list[tuple[str, str]]:
    """Return the details as names and texts, ids last; changes as what was and what is."""
    if not isinstance(row.details, dict):  # somebody changed it
        return [("details", _text(row.details))]
    shown: list[tuple[str, str]] = []
    for name, value in sorted(row.details.items(), key=lambda item: (item[0] == "id", item[0])):
        if name == "changes" and isinstance(value, dict):
            shown += [(field, _change(values, row.action)) for field, values in sorted(value.items())]
        elif value not in (None, "", [], {}):
            shown.append((name.replace("_", " "), _text(value)))
    return shown


def _change(values: Any, action: str) -> str:
    if not isinstance(values, list) or len(values) != 2:
        return _text(values)
    if action != Action.CONFIGURATION_CHANGED:  # a whole row: one of the two is empty
        return _text(values[0] or values[1])
    return " → ".join(_text(one) if one != "" else "(empty)" for one in values)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


urlpatterns = [path("audit/", list_, name="audit")]
