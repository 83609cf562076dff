"""The tables of tool servers: servers and their health, tools and their calls, people's own credentials."""

from aiops.tool_servers.models.credentials import ToolCredential
from aiops.tool_servers.models.servers import MAX_CALL_S, MAX_HANDSHAKE_S, RUN_COMMANDS, HealthHour, MCPServer
from aiops.tool_servers.models.tools import MAX_RESULT_BYTES, Tool, ToolCall

__all__ = [
    "MAX_CALL_S",
    "MAX_HANDSHAKE_S",
    "MAX_RESULT_BYTES",
    "RUN_COMMANDS",
    "HealthHour",
    "MCPServer",
    "Tool",
    "ToolCall",
    "ToolCredential",
]
