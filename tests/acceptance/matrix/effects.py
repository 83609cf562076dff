"""An MCP server over HTTP whose tools leave marks: it outlives the workers that call it, as other people's do."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio
from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

PORT, MARKS = int(sys.argv[1]), Path(sys.argv[2])
HOST = sys.argv[3] if len(sys.argv) > 3 else "127.0.0.1"
server = FastMCP("effects", log_level="ERROR", host=HOST, port=PORT)


@server.tool()
async def change(key: str, seconds: float = 0) -> str:
    """Change something (it leaves a mark), then take so many seconds."""
    with MARKS.open("a") as file:
        file.write(f"{key}\n")
    await anyio.sleep(seconds)
    return f"changed {key}"


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
async def look(key: str, seconds: float = 0) -> str:
    """Look at something for so many seconds."""
    await anyio.sleep(seconds)
    return f"seen {key}"


if __name__ == "__main__":
    server.run("streamable-http")
