"""The REST views of the audit log: its rows, and its verification."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.audit import verifying
from aiops.audit.filters import AuditFilters
from aiops.audit.models import AuditRow
from aiops.audit.shapes import AuditRowOut, VerifiedOut
from aiops.errors import Invalid
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import BySequence
from aiops.web.api.parsing import refuse_unknown_parameters
from aiops.web.api.rows import MayManage

AFTER = OpenApiParameter(
    "after",
    {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
    description="Begin behind this row: `after` of the page before. Otherwise with the oldest row.",
)
NAMED = [
    OpenApiParameter("actor", {"type": "string", "minLength": 1, "maxLength": 150}, description="By this user."),
    OpenApiParameter("object", {"type": "string", "minLength": 1, "maxLength": 300}, description="Such as secret:ci."),
    OpenApiParameter("since", {"type": "string", "format": "date-time"}, description="From this time on."),
    OpenApiParameter("until", {"type": "string", "format": "date-time"}, description="Before this time."),
]


@extend_schema_view(list=extend_schema(parameters=NAMED, tags=["audit"]))
class AuditLog(ListModelMixin, GenericViewSet[AuditRow]):
    """``/api/audit/``; ``export/`` is a stream (``streams``)."""

    queryset = AuditRow.objects.all()
    serializer_class = AuditRowOut
    permission_classes = [MayManage]
    pagination_class = BySequence
    filter_backends = [StrictFilters]
    filterset_class = AuditFilters

    @extend_schema(parameters=[AFTER], responses=VerifiedOut, tags=["audit"])
    @action(detail=False, pagination_class=None, filter_backends=[])
    def verify(self, request: Request) -> Response:
        """Verify the next 5,000 rows; ask again, with `after`, until it is done or there is a problem."""
        refuse_unknown_parameters(request.query_params, known={"after"})
        page = verifying.verify(_number(request.query_params.get("after", "0")))
        problem: dict[str, Any] | None = None
        if page.problem is not None:
            problem = {"sequence": page.problem.sequence, "what": page.problem.what}
        shown = {"checked": page.checked, "after": page.last.sequence, "done": page.done, "problem": problem}
        return Response(VerifiedOut(shown).data)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) < 2**63):
        raise Invalid("after is not valid.", errors={"after": ["The number of a row."]})
    return int(text)
