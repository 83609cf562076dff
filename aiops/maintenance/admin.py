"""The administration of maintenance: the read-only history of jobs."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from aiops.maintenance.models import JobRun


@admin.register(JobRun)
class JobRunAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("job", "started_at", "outcome", "ms", "summary")
    list_filter = ("job", "outcome")
    ordering = ("-pk",)
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: JobRun | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: JobRun | None = None) -> bool:
        return False  # the job ``tokens_and_sessions`` removes old rows
