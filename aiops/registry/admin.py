"""The registry in the admin: tool servers are edited here, through the same checks as everywhere."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from aiops.registry import lifecycle
from aiops.registry.models import MCPServer

COMMANDS = "registry.run_commands"


class ServerForm(forms.ModelForm[MCPServer]):
    """A row as it was when the form was opened."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["seen"].initial = self._version()

    def clean(self) -> dict[str, Any]:
        """Refuse to undo what somebody else changed meanwhile; raises ValidationError."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.pop("seen", "") != self._version():
            raise forms.ValidationError("Somebody changed it since you opened it: open it again.")
        return cleaned

    def _version(self) -> str:
        return "" if self.instance._state.adding else self.instance.updated_at.isoformat()


@admin.register(MCPServer)
class MCPServerAdmin(ModelAdmin):  # type: ignore[misc]
    """Tool servers; those that run a command are for those alone who may."""

    form = ServerForm
    list_display = ("name", "status", "protocol", "place", "required", "problem", "checked_at")
    list_filter = ("status", "protocol", "place", "required")
    search_fields = ("name", "url", "command")
    readonly_fields = ("problem", "checked_at", "status_since")
    warn_unsaved_form = True
    fieldsets = (
        (None, {"fields": ("name", "protocol", "place", "required", "status", "problem", "checked_at", "seen")}),
        ("Over HTTP", {"fields": ("url", "endpoint", "health_path", "headers")}),
        ("A command", {"fields": ("command", "args", "env")}),
        ("Time", {"fields": ("handshake_s", "call_s")}),
    )

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer commands to those alone who may have them run."""
        if db_field.name == "protocol" and not request.user.has_perm(COMMANDS):
            options["choices"] = [one for one in MCPServer.Protocol.choices if one[0] != MCPServer.Protocol.STDIO]
        return super().formfield_for_choice_field(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: MCPServer | None = None) -> bool:
        """Whether this row may be changed by this person."""
        return super().has_change_permission(request, obj) and _may(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: MCPServer | None = None) -> bool:
        """Whether this row may be deleted by this person."""
        return super().has_delete_permission(request, obj) and _may(request, obj)

    def save_model(self, request: HttpRequest, obj: MCPServer, form: Any, change: bool) -> None:
        """Save it, and let workers know."""
        lifecycle.put(obj, changed=form.changed_data)

    def delete_model(self, request: HttpRequest, obj: MCPServer) -> None:
        """Delete it, and let workers know."""
        lifecycle.remove(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[MCPServer]) -> None:
        """Delete them; Django has asked for the permission of each."""
        for server in queryset:
            lifecycle.remove(server)


def _may(request: HttpRequest, server: MCPServer | None) -> bool:
    stdio = server is not None and server.protocol == MCPServer.Protocol.STDIO
    return not stdio or request.user.has_perm(COMMANDS)
