"""Tool servers in the administration, with the same checks as in the API."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from aiops.errors import Forbidden
from aiops.tool_servers import lifecycle, rights
from aiops.tool_servers.models import RUN_COMMANDS, MCPServer


class ServerForm(forms.ModelForm[MCPServer]):
    """Refuses to overwrite a row that changed after the form was opened."""

    user: Any
    """Who uses the form."""
    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["seen"].initial = self._version()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if cleaned.pop("seen", "") != self._version():
            raise forms.ValidationError("The server was changed after you opened it: open it again.")
        return cleaned

    def _post_clean(self) -> None:
        """Check the row as it would be saved: only now it has the values of the form."""
        super()._post_clean()  # type: ignore[misc]
        if self.errors:
            return
        before = MCPServer.objects.filter(pk=self.instance.pk).first()
        try:
            rights.refuse_secrets(self.instance, self.user, changed=self.changed_data, before=before)
        except Forbidden as refused:
            self.add_error(None, refused.detail)
        if missing := rights.unknown_secrets(self.instance):
            self.add_error(None, f"There is no secret {missing[0]!r}: create it, or correct the name.")

    def _version(self) -> str:
        return "" if self.instance._state.adding else self.instance.updated_at.isoformat()


@admin.register(MCPServer)
class MCPServerAdmin(ModelAdmin):  # type: ignore[misc]
    form = ServerForm
    list_display = ("name", "status", "protocol", "place", "required", "problem", "checked_at")
    list_filter = ("status", "protocol", "place", "required")
    search_fields = ("name", "url", "command")
    readonly_fields = ("problem", "checked_at", "status_since")
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("name", "protocol", "place", "required", "status", "problem", "checked_at", "seen")}),
        ("Over HTTP", {"fields": ("url", "endpoint", "health_path", "headers")}),
        ("A command", {"fields": ("command", "args", "env", "cwd")}),
        ("Time", {"fields": ("handshake_s", "call_s")}),
    )

    def get_form(self, request: HttpRequest, obj: MCPServer | None = None, change: bool = False, **options: Any) -> Any:
        form = super().get_form(request, obj, change, **options)
        form.user = request.user
        return form

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer the STDIO protocol only to people who may run commands."""
        if db_field.name == "protocol" and not request.user.has_perm(RUN_COMMANDS):
            options["choices"] = [one for one in MCPServer.Protocol.choices if one[0] != MCPServer.Protocol.STDIO]
        return super().formfield_for_choice_field(db_field, request, **options)

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> MCPServer | None:
        """Return the row, locked until the transaction of the view ends if the view may change it."""
        found: MCPServer | None = super().get_object(request, object_id, from_field)
        if found is None or request.method != "POST":
            return found
        return MCPServer.objects.select_for_update().filter(pk=found.pk).first()

    def has_change_permission(self, request: HttpRequest, obj: MCPServer | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.may_be_changed_by(request.user))

    def has_delete_permission(self, request: HttpRequest, obj: MCPServer | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.may_be_changed_by(request.user))

    def save_model(self, request: HttpRequest, obj: MCPServer, form: Any, change: bool) -> None:
        lifecycle.put(obj, changed=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: MCPServer) -> None:
        lifecycle.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MCPServer]) -> None:
        """Delete the servers one by one, so that workers close their sessions; Django has checked each permission."""
        for server in queryset:
            lifecycle.remove(server)
