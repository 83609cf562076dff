"""System prompts in the administration."""

from __future__ import annotations

from django.contrib import admin

from aiops.system_prompts.api import TAG, SystemPrompts
from aiops.system_prompts.models import SystemPrompt
from aiops.web.administration.rows import RowAdmin


@admin.register(SystemPrompt)
class SystemPromptAdmin(RowAdmin):
    rows, resource = SystemPrompts, TAG
    list_display = ("name", "status", "version", "updated_at")
    list_filter = ("status",)
    search_fields = ("name", "prompt_text")
