"""Filters of lists; a parameter that no list has is refused by name."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend

from aiops.errors import Invalid

PAGING = {"cursor", "limit"}
EXACT = {"state", "conversation", "status", "protocol", "place"}
"""Parameters that would not filter when empty; an empty search finds everything."""


class StrictFilters(DjangoFilterBackend):
    """django-filter, strict about names."""

    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        """Apply the list's filters; raises Invalid for unknown parameters."""
        filters = self.get_filterset_class(view, queryset)
        known = PAGING | set(filters.base_filters if filters else ())
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise Invalid(
                "There is no such parameter.", errors={name[:100]: ["There is no such parameter."] for name in unknown}
            )
        empty = sorted(name for name in EXACT & set(request.query_params) if not request.query_params[name])
        if empty:
            raise Invalid("A parameter is empty.", errors={name: ["Give a value."] for name in empty})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
