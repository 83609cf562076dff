"""The API of types of middleware, and of the middleware of models; by permission."""

from __future__ import annotations

from typing import Any

import django_filters

from aiops.chains import saving
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.shapes import LLMMiddlewareOut, MiddlewareTypeOut, TypeChange, TypeIn, UseChange, UseIn
from aiops.people.models import User
from aiops.web.api.filtering import TruthFilter
from aiops.web.api.paging import ByChoice
from aiops.web.api.row_shapes import described
from aiops.web.api.rows import Rows, TagFilter

TYPES, USES = "middleware-types", "llm-middleware"


class TypeFilters(django_filters.FilterSet):
    is_custom = TruthFilter()
    tag = TagFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


class UseFilters(django_filters.FilterSet):
    llm_model = django_filters.CharFilter(field_name="llm_model__name", max_length=200)
    middleware = django_filters.CharFilter(field_name="middleware__name", max_length=60)
    is_active = TruthFilter()
    tag = TagFilter()
    search = django_filters.CharFilter(field_name="middleware__name", lookup_expr="icontains", max_length=200)


class ByPriority(ByChoice):
    usual = "priority"


@described(
    TYPES,
    new=TypeIn,
    change=TypeChange,
    row=MiddlewareTypeOut,
    example=("a package's class", {"name": "MineMiddleware", "path": "my_package.middleware:MineMiddleware"}),
)
class MiddlewareTypes(Rows):
    """``/api/middleware-types/``; built-in ones are read only."""

    table = MiddlewareType
    queryset = MiddlewareType.objects.all()
    serializer_class = MiddlewareTypeOut
    filterset_class = TypeFilters
    shape, change = TypeIn, TypeChange
    defaults = {"description": "", "config_schema": {}, "default_config": {}, "tags": []}

    def save_row(self, row: MiddlewareType, fields: dict[str, Any], user: User) -> MiddlewareType:
        return saving.put_type(row, fields)

    def remove_row(self, row: MiddlewareType) -> None:
        saving.remove_type(row)


@described(
    USES,
    new=UseIn,
    change=UseChange,
    row=LLMMiddlewareOut,
    example=(
        "answers that are kept for an hour",
        {"llm_model": "qwen3", "middleware": "CacheMiddleware", "config": {"ttl_s": 3600}, "priority": 20},
    ),
)
class LLMMiddlewareRows(Rows):
    """``/api/llm-middleware/``, in the order of their priority."""

    table = LLMMiddleware
    queryset = LLMMiddleware.objects.select_related("llm_model", "middleware")
    serializer_class = LLMMiddlewareOut
    filterset_class = UseFilters
    pagination_class = ByPriority
    orderings = ("priority", "created_at", "updated_at")
    shape, change = UseIn, UseChange
    defaults = {"config": {}, "priority": 50, "is_active": True, "is_critical": False, "tags": []}

    def save_row(self, row: LLMMiddleware, fields: dict[str, Any], user: User) -> LLMMiddleware:
        return saving.put(row, fields)

    def remove_row(self, row: LLMMiddleware) -> None:
        row.delete()
