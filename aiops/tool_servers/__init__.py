"""Tool servers: rows, rules, health checks, the client that calls them, and our own server about the host."""
