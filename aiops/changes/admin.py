"""The change log in the administration: who changed what, in all tables, from what to what, and why."""

from __future__ import annotations

from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.utils.html import format_html_join
from unfold.admin import ModelAdmin

from aiops.changes.recording import REASON

admin.site.unregister(LogEntry)  # the package's own, which has another look


@admin.register(LogEntry)
class ChangeAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("timestamp", "actor", "content_type", "object_repr", "action", "reason")
    list_filter = ("action", "content_type")
    list_select_related = ("actor", "content_type")
    list_per_page = 50
    search_fields = ("object_repr", "actor__username")
    show_full_result_count = False
    fields = ("timestamp", "actor", "content_type", "object_repr", "action", "reason", "what")
    readonly_fields = fields

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False  # AIOPS_RETENTION removes old ones

    @admin.display(description="Why")
    def reason(self, entry: LogEntry) -> str:
        return str((entry.additional_data or {}).get(REASON, ""))

    @admin.display(description="What")
    def what(self, entry: LogEntry) -> Any:
        changes = (entry.changes or {}).items()
        return format_html_join("", "<p>{}: {} → {}</p>", ((name, *values) for name, values in changes)) or "–"
