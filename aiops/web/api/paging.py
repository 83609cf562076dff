"""Cursor paging: newest first, constant cost however long the table."""

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
    """Conversations, the last changed first."""

    page_size = 50
    max_page_size = LIMIT["maximum"]
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = ("-updated_at", "-id")

    def get_schema_operation_parameters(self, view: Any) -> Any:
        """Return OpenAPI's words for the parameters, with the bounds of ``limit``."""
        known: list[dict[str, Any]] = super().get_schema_operation_parameters(view)
        for one in known:
            if one["name"] == self.page_size_query_param:
                one["schema"] |= LIMIT
        return known

    def get_page_size(self, request: Request) -> int:
        """Return ``limit``; raises Invalid when it is no number from 1 to 200."""
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= self.max_page_size):
            raise Invalid(
                "limit is out of range.", errors={"limit": [f"A whole number from 1 to {self.max_page_size}."]}
            )
        return int(text)

    def decode_cursor(self, request: Request) -> Any:
        """Return the place that the cursor names; raises NotFound when it names none."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor == (0, False, None):
            raise NotFound
        return cursor

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        """Return a page; raises Invalid for a cursor that is none of ours."""
        try:
            return super().paginate_queryset(queryset, request, view=view)
        except (NotFound, ValidationError, ValueError, DataError):
            raise Invalid("cursor is none of ours.", errors={"cursor": ["Use a link of a page."]}) from None


class ById(ByUpdate):
    """Runs, the newest first (ids are in order of time)."""

    ordering = "-id"


class ByNumber(ByUpdate):
    """Items of a batch, in the order of its file."""

    ordering = "number"


class ByPosition(ByUpdate):
    """Messages, in order."""

    ordering = "position"


class ByName(ByUpdate):
    """Tool servers, by name."""

    ordering = "name"
