"""Our own MCP server about the machine it runs on: read-only, over stdio or streamable HTTP."""
