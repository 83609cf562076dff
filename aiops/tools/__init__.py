"""Tools: MCP servers, each with one owner task, and the catalogue of what they offer. Knows no Django and no table."""
