"""Cursor paging of lists: the cost does not grow with the table."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import DataError
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

from aiops.errors import Invalid

LIMIT = {"minimum": 1, "maximum": 200}


class ByUpdate(CursorPagination):
    """Most recently updated first."""

    page_size = 50
    max_page_size = LIMIT["maximum"]
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = ("-updated_at", "-id")

    def get_schema_operation_parameters(self, view: Any) -> Any:
        known: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for one in known:
            if one["name"] == self.page_size_query_param:
                one["schema"] |= LIMIT
        return known

    def get_page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= self.max_page_size):
            raise Invalid(
                "limit is out of range.", errors={"limit": [f"A whole number from 1 to {self.max_page_size}."]}
            )
        return int(text)

    def decode_cursor(self, request: Request) -> Any:
        cursor = super().decode_cursor(request)
        if cursor == (0, False, None):  # DRF's result for a cursor without a position
            raise NotFound
        return cursor

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view=view)
        except (NotFound, ValidationError, ValueError, DataError):
            raise Invalid("cursor is not valid.", errors={"cursor": ["Use the links of a page."]}) from None


class ById(ByUpdate):
    """Newest first: ids are ordered by time."""

    ordering = "-id"


class ByNumber(ByUpdate):
    """Batch items, in the order of the file."""

    ordering = "number"


class BySequence(ByUpdate):
    """Rows of the audit log, the newest first."""

    ordering = "-sequence"


class ByNewestNumber(ByUpdate):
    """Versions, the latest first."""

    ordering = "-number"


class ByPosition(ByUpdate):
    ordering = "position"


class ByName(ByUpdate):
    ordering = "name"


class ByChoice(ByName):
    """By name, or as ``ordering`` says: one of the view's ``orderings``, - before it for descending."""

    usual = "name"

    def get_ordering(self, request: Request, queryset: Any, view: Any) -> tuple[str, ...]:
        named = request.query_params.get("ordering", self.usual)
        if named.removeprefix("-") not in view.orderings:
            known = ", ".join(view.orderings)
            raise Invalid("ordering is not known.", errors={"ordering": [f"One of {known}; - before it: descending."]})
        return (named, "-id" if named.startswith("-") else "id")

    def get_schema_operation_parameters(self, view: Any) -> Any:
        known: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        names = [sign + name for name in view.orderings for sign in ("", "-")]
        return [*known, {"name": "ordering", "in": "query", "schema": {"type": "string", "enum": names}}]
