"""Declares tool servers: their API, pages, health job, metrics and control messages."""

from aiops import keyspace
from aiops.apps import SYSTEM, Feature, Job, Logged, NavigationItem, RetentionKind

MAX_FILE_BYTES = 4_000_000
"""Of a configuration file that is imported."""


class ToolServers(Feature):
    name = "aiops.tool_servers"
    verbose_name = "Tool servers"

    api = {
        "mcp-servers": "aiops.tool_servers.api.servers:ToolServers",
        "tools": "aiops.tool_servers.api.tools:Tools",
        "tool-credentials": "aiops.tool_servers.api.credentials:ToolCredentials",
    }
    pages = "aiops.tool_servers.pages"
    navigation = (
        NavigationItem("Tools", "tools", order=39, permission="tool_servers.view_tool", group=SYSTEM),
        NavigationItem(
            "Tool servers", "tool-servers", order=40, permission="tool_servers.view_mcpserver", group=SYSTEM
        ),
    )
    jobs = (
        Job(
            "tool_servers",
            "Checks the health of tool servers and model providers.",
            run="aiops.tool_servers.jobs:check_health",
            every_s=60,
        ),
    )
    retention = (
        RetentionKind("tool_calls", "aiops.tool_servers.retention:old", "aiops.retention.pruning:remove_rows"),
    )
    logged = {
        "aiops.tool_servers.models:MCPServer": Logged(
            left_out=(
                *("problem", "output", "tools", "prompts", "resources", "lists_problem"),
                *("suspected", "confirmations"),
                *("look_at", "checked_at", "status_since"),
            )
        ),
        "aiops.tool_servers.models:ToolCredential": Logged(masked=("encrypted",), left_out=("address",)),
        "aiops.tool_servers.models:Tool": Logged(left_out=("definition", "offered", "offered_pin", "problem")),
    }
    encrypted = ("aiops.tool_servers.models:ToolCredential",)
    referrers = "aiops.tool_servers.rights:users_of"
    trials = {"tool_server": "aiops.tool_servers.trials:test_server", "tool": "aiops.tool_servers.trials:try_tool"}
    body_limits = {"/api/mcp-servers/import/": lambda settings: MAX_FILE_BYTES + settings.max_body_bytes}
    metrics = "aiops.tool_servers.metrics:families"
    known_series = "aiops.tool_servers.metrics:known"
    control = {
        keyspace.TOOLS: lambda worker, _: worker.refresh_tools(),
        keyspace.SECRETS: lambda worker, _: worker.refresh_tools(),
        keyspace.ACCOUNT: lambda worker, user_id: worker.check_sessions(user_id),
    }
