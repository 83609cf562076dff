"""An MCP server with one tool: ``python -m tests.benchmarks.tool_server [PORT]`` speaks HTTP, without a port stdio."""

from __future__ import annotations

import sys

from mcp.server.fastmcp import FastMCP

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 0
server = FastMCP("benchmark", host="127.0.0.1", port=PORT or 8000, log_level="ERROR")


@server.tool()
def repeat(text: str) -> str:
    """Return the text."""
    return text


if __name__ == "__main__":
    server.run("streamable-http" if PORT else "stdio")
