"""MCP servers that others wrote, driven by the client of tool servers: ``make wire-test`` installs them."""
