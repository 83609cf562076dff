"""Secrets in the administration: a stored value goes in and is never shown."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminPasswordWidget

from aiops.secrets.api import TAG, Secrets
from aiops.secrets.models import Secret
from aiops.secrets.shapes import MAX_VALUE_CHARACTERS
from aiops.trials.actions import checking
from aiops.web.administration.forms import RowForm
from aiops.web.administration.rows import RowAdmin


class SecretForm(RowForm):
    extra = ("value",)
    value = forms.CharField(
        required=False,
        max_length=MAX_VALUE_CHARACTERS,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Of kind stored; left empty, the stored one stays.",
    )

    def _given(self) -> dict[str, Any]:
        given = super()._given()
        if not given.get("value"):
            given.pop("value", None)
        return given


@admin.register(Secret)
class SecretAdmin(RowAdmin):
    rows, resource = Secrets, TAG
    form = SecretForm
    list_display = ("name", "kind", "reference", "updated_at")
    list_filter = ("kind",)
    search_fields = ("name", "reference")
    actions = (*RowAdmin.actions, "check_rows")
    check_rows = checking("secret", "secret", "resolves", "Let a worker read the selected")
