"""The client side of MCP: sessions, listings and calls, as plain values; imports neither tables nor Django."""
