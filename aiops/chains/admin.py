"""Types of middleware, and the middleware of models, in the administration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from aiops.chains.api import TYPES, USES, LLMMiddlewareRows, MiddlewareTypes
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.trials.actions import checking
from aiops.web.administration.rows import RowAdmin

MOST_SCHEMAS = 50


@admin.register(MiddlewareType)
class MiddlewareTypeAdmin(RowAdmin):
    rows, resource = MiddlewareTypes, TYPES
    list_display = ("name", "is_custom", "path", "description", "updated_at")
    list_filter = ("is_custom",)
    search_fields = ("name", "description", "path")
    actions = (*RowAdmin.actions, "check_rows")
    check_rows = checking("middleware", "type", "builds", "Let a worker build the selected")

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_change_permission(request, obj) and _is_custom(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _is_custom(obj)


@admin.register(LLMMiddleware)
class LLMMiddlewareAdmin(RowAdmin):
    rows, resource = LLMMiddlewareRows, USES
    list_display = ("middleware", "llm_model", "priority", "is_active", "is_critical", "updated_at")
    list_filter = ("middleware", "is_active", "is_critical")
    list_select_related = ("middleware", "llm_model")
    search_fields = ("middleware__name", "llm_model__name")
    autocomplete_fields = ("llm_model", "middleware")
    actions = (*RowAdmin.actions, "check_rows")
    check_rows = checking("middleware", "use", "builds", "Let a worker build the selected")

    def schemas(self, name: str, row: Model | None) -> Mapping[str, Any]:
        if name != "config":
            return {}
        kinds = [row.middleware] if isinstance(row, LLMMiddleware) else MiddlewareType.objects.all()[:MOST_SCHEMAS]
        return {kind.name: kind.config_schema for kind in kinds}


def _is_custom(obj: Model | None) -> bool:
    return not isinstance(obj, MiddlewareType) or obj.is_custom
