"""Providers and models in the administration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import Model

from aiops.llm import rules
from aiops.llm.api import MODELS, PROVIDERS, LLMModels, LLMProviders
from aiops.llm.models import LLMModel, LLMProvider
from aiops.llm.providers import HANDLERS
from aiops.web.administration.forms import LinesField, RowForm
from aiops.web.administration.rows import RowAdmin


class ModelForm(RowForm):
    extra = ("fallbacks",)
    fallbacks = LinesField(
        required=False, help_text="Names of models, one in each line: they answer, in this order, while it is down."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if not self.instance._state.adding:
            self.fields["fallbacks"].initial = [
                one.fallback.name for one in self.instance.fallback_rows.select_related("fallback")
            ]


@admin.register(LLMProvider)
class LLMProviderAdmin(RowAdmin):
    rows, resource = LLMProviders, PROVIDERS
    list_display = ("name", "handler", "is_enabled", "description", "updated_at")
    list_filter = ("handler", "is_enabled")
    search_fields = ("name", "description")

    def schemas(self, name: str, row: Model | None) -> Mapping[str, Any]:
        return {
            title: handler.config_schema
            for title, handler in HANDLERS.items()
            if name == "config_schema" and (not isinstance(row, LLMProvider) or row.handler == title)
        }


@admin.register(LLMModel)
class LLMModelAdmin(RowAdmin):
    rows, resource = LLMModels, MODELS
    form = ModelForm
    list_display = ("name", "provider", "is_enabled", "is_default", "temperature", "price_in", "price_out")
    list_filter = ("provider", "is_enabled", "is_default")
    list_select_related = ("provider",)
    search_fields = ("name", "description")
    autocomplete_fields = ("provider", "model_secret_key", "system_prompt", "advanced_model")

    def schemas(self, name: str, row: Model | None) -> Mapping[str, Any]:
        if name in rules.SCHEMAS:
            return {name.capitalize(): rules.SCHEMAS[name]}
        handler = row.provider.handler if isinstance(row, LLMModel) else ""
        return {
            title: known.model_schema
            for title, known in HANDLERS.items()
            if name == "model_config" and handler in ("", title)
        }
