"""Filters of lists; unknown parameters are refused by name."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import extend_schema_field

from aiops.errors import Invalid
from aiops.web.api.parsing import refuse_unknown_parameters

PAGING = {"cursor", "limit"}
EXACT = {"state", "source", "user", "model", "notice", "conversation", "status", "protocol", "place"}
EXACT |= {"actor", "action", "object"}
"""Parameters that may not be empty, because they would not filter then."""


@extend_schema_field({"type": "boolean"})
class TruthFilter(django_filters.TypedChoiceFilter):
    """true or false; anything else is refused, where django-filter's own would ignore it."""

    def __init__(self, **options: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce=lambda word: word == "true", empty_value=None, **options)


class StrictFilters(DjangoFilterBackend):
    """django-filter, but unknown or empty parameters are refused."""

    def filter_queryset(self, request: Any, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filters = self.get_filterset_class(view, queryset)
        known = PAGING | set(filters.base_filters if filters else ())
        known |= {"ordering"} if getattr(view, "orderings", ()) else set()
        refuse_unknown_parameters(request.query_params, known=known)
        filtering = (name for name in request.query_params if name in EXACT or name.startswith("is_"))
        empty = sorted(name for name in filtering if not request.query_params[name])
        if empty:
            raise Invalid("A parameter is empty.", errors={name: ["Give a value."] for name in empty})
        filtered: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return filtered
