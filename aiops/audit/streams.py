"""The audit log as a file: a JSON object a line, in the order of the rows."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from django.db import transaction
from django.http import QueryDict
from starlette.requests import Request
from starlette.responses import Response

from aiops.audit.actions import Action
from aiops.audit.filters import AuditFilters
from aiops.audit.models import AuditRow
from aiops.audit.recording import record
from aiops.audit.shapes import AuditRowOut
from aiops.errors import Invalid
from aiops.people.models import User
from aiops.web import identity
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.doors import guard
from aiops.web.doors.downloads import Download
from aiops.web.identity import Pass

PAGE = 500
VIEW = "audit.view_auditrow"


async def export(request: Request) -> Response:
    """Stream the rows that the filters name, up to the one that records this export."""
    user, grant = await guard.holder(request, VIEW)
    query = QueryDict(request.url.query)
    last = await guard.in_thread(_begin, user, query)
    return Download(
        _pages(query, last, grant),
        media_type="application/jsonl; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"},
    )


def _begin(user: User, query: QueryDict) -> int:
    """Record the export, before anything leaves; return the number of that row. Raises Invalid."""
    refuse_unknown_parameters(query, known=set(AuditFilters.base_filters))
    filters = AuditFilters(query, AuditRow.objects.all())
    if not filters.is_valid():
        raise Invalid(
            "Correct the filters.", errors={name: list(map(str, why)) for name, why in filters.errors.items()}
        )
    with transaction.atomic():
        record(
            Action.AUDIT_EXPORTED,
            actor=user.username,
            actor_id=user.pk,
            object="audit:rows",
            details={"filters": {name: query[name] for name in query if query[name]}},
        )
        return int(AuditRow.objects.order_by("-sequence").values_list("sequence", flat=True)[0])


async def _pages(query: QueryDict, last: int, grant: Pass) -> AsyncIterator[str]:
    """Yield the file, holding one page of rows at a time."""
    after = 0
    while rows := await guard.in_thread(_read_page, query, after, last, grant):
        yield "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        after = rows[-1]["sequence"]


def _read_page(query: QueryDict, after: int, last: int, grant: Pass) -> list[dict[str, Any]]:
    identity.check(grant)  # for each page: a download may outlive its session
    found = AuditFilters(query, AuditRow.objects.filter(sequence__gt=after, sequence__lte=last)).qs
    return [dict(AuditRowOut(row).data) for row in found.order_by("sequence")[:PAGE]]
