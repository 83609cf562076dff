"""Imports configuration files of other MCP clients: reads the file, maps names and secrets, compares, writes rows."""
