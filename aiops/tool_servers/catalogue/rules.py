"""The rows of tools as the rules that workers apply to what servers offer."""

from __future__ import annotations

from aiops.settings import Settings
from aiops.tool_servers.catalogue.listing import accepts_all
from aiops.tool_servers.client.values import ServerRules, ToolClass, ToolRule
from aiops.tool_servers.models import MCPServer, Tool

DISABLED = "It is disabled."
COLUMNS = (
    *("server_id", "name", "tool_class", "pin", "status"),
    *("is_enabled", "timeout_s", "max_result_bytes", "calls_per_run"),
)


def read(settings: Settings) -> dict[str, ServerRules]:
    """Return the rules of every server that has a row, by its name; raises DatabaseError."""
    of_server: dict[object, dict[str, ToolRule]] = {}
    rows = Tool.objects.order_by().values_list(*COLUMNS)
    for server, name, tool_class, pin, status, is_enabled, timeout_s, max_bytes, calls in rows:
        of_server.setdefault(server, {})[name] = ToolRule(
            ToolClass(tool_class),
            pin=pin,
            adopts=not pin and status == Tool.Status.ACCEPTED,
            withheld="" if is_enabled else DISABLED,
            call_s=timeout_s,
            max_result_bytes=max_bytes,
            calls_per_run=calls,
        )
    servers = MCPServer.objects.only("name", "place", "accept_tools", "checked_at", "problem")
    return {
        one.name: ServerRules(
            of_server.get(one.pk, {}),
            accepts=accepts_all(one, settings),
            external=one.place == MCPServer.Place.EXTERNAL,
            passed_at=None if one.problem else one.checked_at,
        )
        for one in servers
    }
