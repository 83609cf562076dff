"""Secrets in the administration: read there, and changed on their own page, which never sees a value."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from aiops.secrets.models import Secret


@admin.register(Secret)
class SecretAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "kind", "reference", "updated_at")
    list_filter = ("kind",)
    search_fields = ("name", "reference")
    fields = ("name", "kind", "reference", "created_at", "updated_at")
    readonly_fields = fields

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False
