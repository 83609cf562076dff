"""Tool servers, and what people decide about their tools, in the administration."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from aiops.tool_servers.api import tools
from aiops.tool_servers.api.servers import TAG, ToolServers
from aiops.tool_servers.models import RUN_COMMANDS, MCPServer, Tool
from aiops.web.administration.rows import RowAdmin


@admin.register(MCPServer)
class MCPServerAdmin(RowAdmin):
    rows, resource = ToolServers, TAG
    json_lists = ("args",)
    list_display = ("name", "status", "protocol", "place", "required", "problem", "checked_at")
    list_filter = ("status", "protocol", "place", "credential", "required")
    search_fields = ("name", "url", "command")
    readonly_fields = ("problem", "checked_at", "status_since")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    *("name", "protocol", "place", "required", "accept_tools"),
                    *("status", "problem", "checked_at", "tags"),
                )
            },
        ),
        ("Over HTTP", {"fields": ("url", "endpoint", "health_path", "headers", "credential", "credential_header")}),
        ("A command", {"fields": ("command", "args", "env", "cwd")}),
        ("Time", {"fields": ("handshake_s", "call_s")}),
        ("This change", {"fields": ("reason", "seen")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: MCPServer | None = None) -> Any:
        """Leave out what only a change needs for people who may not make one."""
        may = self.has_add_permission(request) if obj is None else self.has_change_permission(request, obj)
        return self.fieldsets if may else self.fieldsets[:-1]

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **options: Any) -> Any:
        """Offer the STDIO protocol only to people who may run commands."""
        if db_field.name == "protocol" and not request.user.has_perm(RUN_COMMANDS):
            options["choices"] = [one for one in MCPServer.Protocol.choices if one[0] != MCPServer.Protocol.STDIO]
        return super().formfield_for_choice_field(db_field, request, **options)

    def has_change_permission(self, request: HttpRequest, obj: MCPServer | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.may_be_changed_by(request.user))

    def has_delete_permission(self, request: HttpRequest, obj: MCPServer | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.may_be_changed_by(request.user))


@admin.register(Tool)
class ToolAdmin(RowAdmin):
    """Rows come and go with what servers offer, and are accepted where one sees what has changed."""

    rows, resource = tools.Tools, tools.TAG
    list_display = (
        *("__str__", "tool_class", "status", "is_enabled"),
        *("timeout_s", "max_result_bytes", "calls_per_run", "updated_at"),
    )
    list_filter = ("status", "tool_class", "is_enabled", "server")
    list_select_related = ("server",)
    search_fields = ("name", "server__name")
    readonly_fields = ("server", "name", "status", "problem", "description")
    actions = ("bulk_edit",)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return [*self.readonly_fields, *super().get_fields(request, obj)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
