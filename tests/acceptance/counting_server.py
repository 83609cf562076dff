"""An MCP server whose tools leave marks: how often they really ran is counted in a file."""

import os
import time
from pathlib import Path

from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

MARKS = Path(os.environ["MARKS"])
server = FastMCP("counting", log_level="ERROR")


def mark(text: str) -> None:
    with MARKS.open("a") as file:
        file.write(f"{text}\n")


@server.tool()
def change(key: str, seconds: float = 0) -> str:
    """Change something (it leaves a mark), then take so many seconds."""
    mark(f"change {key} {os.getpid()}")
    time.sleep(seconds)
    return f"changed {key}"


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def look(key: str, seconds: float = 0) -> str:
    """Look at something for so many seconds."""
    mark(f"look {key} {os.getpid()}")
    time.sleep(seconds)
    return f"seen {key}"


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def spill() -> str:
    """Return what should not be shown."""
    return f"the secret is {os.environ['CANARY']} indeed"


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def flood() -> str:
    """Return a lot."""
    return "x" * 100_000


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def fail() -> str:
    """Break."""
    raise RuntimeError("the valve is stuck")


if __name__ == "__main__":
    server.run()
