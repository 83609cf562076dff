"""The API of types of middleware, and of the middleware of models; by permission."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.chains import saving
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.shapes import BuildsOut, LLMMiddlewareOut, MiddlewareTypeOut, TypeChange, TypeIn, UseChange, UseIn
from aiops.people.models import User
from aiops.trials.asking import ask
from aiops.web.api.filtering import TruthFilter
from aiops.web.api.paging import ByChoice
from aiops.web.api.parsing import no_fields
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
    rights = {**Rows.rights, "check": "view"}
    queryset = MiddlewareType.objects.all()
    serializer_class = MiddlewareTypeOut
    filterset_class = TypeFilters
    shape, change = TypeIn, TypeChange
    defaults = {"description": "", "config_schema": {}, "default_config": {}, "tags": []}

    def save_row(self, row: MiddlewareType, fields: dict[str, Any], user: User) -> MiddlewareType:
        return saving.put_type(row, fields)

    def remove_row(self, row: MiddlewareType, user: User) -> None:
        saving.remove_type(row)

    @extend_schema(request=None, responses=BuildsOut, tags=[TYPES])
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: Any) -> Response:
        """Let a worker build it now, with its default config, and say whether it could."""
        no_fields(request.data)
        return Response(ask(cast(User, request.user), "middleware", {"type": str(self.get_object().pk)}))


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
    rights = {**Rows.rights, "check": "view"}
    queryset = LLMMiddleware.objects.select_related("llm_model", "middleware")
    key = ("llm_model", "middleware")
    serializer_class = LLMMiddlewareOut
    filterset_class = UseFilters
    pagination_class = ByPriority
    orderings = ("priority", "created_at", "updated_at")
    shape, change = UseIn, UseChange
    defaults = {"config": {}, "priority": 50, "is_active": True, "is_critical": False, "tags": []}

    def save_row(self, row: LLMMiddleware, fields: dict[str, Any], user: User) -> LLMMiddleware:
        return saving.put(row, fields)

    def remove_row(self, row: LLMMiddleware, user: User) -> None:
        row.delete()

    @extend_schema(request=None, responses=BuildsOut, tags=[USES])
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: Any) -> Response:
        """Let a worker build it now, with its config and the models that it names, and say whether it could."""
        no_fields(request.data)
        return Response(ask(cast(User, request.user), "middleware", {"use": str(self.get_object().pk)}))
