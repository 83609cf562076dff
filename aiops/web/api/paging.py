"""Cursor paging: newest first, constant cost however long the table."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class ByUpdate(CursorPagination):
    """Conversations, the last changed first."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    ordering: str | tuple[str, ...] = ("-updated_at", "-id")


class ById(ByUpdate):
    """Runs, the newest first (ids are in order of time)."""

    ordering = "-id"


class ByPosition(ByUpdate):
    """Messages, in order."""

    ordering = "position"
