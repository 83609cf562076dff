"""The audit log in the administration: to read only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from aiops.audit.models import AuditRow


@admin.register(AuditRow)
class AuditRowAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("sequence", "at", "actor", "action", "object")
    list_filter = ()
    list_per_page = 50
    show_full_result_count = False
    ordering = ("-sequence",)
    fields = ("sequence", "at", "actor", "actor_id", "action", "object", "details", "previous_hash", "hash")
    readonly_fields = fields

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False  # AIOPS_RETENTION removes old ones
