"""Saved prompts in the administration, to remove what should not be shared."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin

from aiops.saved_prompts.models import SavedPrompt


@admin.register(SavedPrompt)
class SavedPromptAdmin(ModelAdmin):  # type: ignore[misc]
    list_display = ("name", "user", "is_shared", "updated_at")
    list_filter = ("is_shared",)
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    fields = ("name", "user", "text", "is_shared", "created_at", "updated_at")
    readonly_fields = ("name", "user", "text", "created_at", "updated_at")

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def get_queryset(self, request: Any) -> Any:
        """Leave out what people keep to themselves."""
        return super().get_queryset(request).filter(is_shared=True)
