"""Upkeep in the admin: what ran when, and what it did. Nothing here can be changed."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from aiops.jobs.models import JobRun


@admin.register(JobRun)
class JobRunAdmin(ModelAdmin):  # type: ignore[misc]
    """Rows of the ledger, the newest first."""

    list_display = ("job", "started_at", "outcome", "ms", "summary")
    list_filter = ("job", "outcome")
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: jobs write these."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: JobRun | None = None) -> bool:
        """Refuse: the past stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: JobRun | None = None) -> bool:
        """Refuse: old rows go by themselves."""
        return False
