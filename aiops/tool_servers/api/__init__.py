"""The API of tool servers and of their tools."""
