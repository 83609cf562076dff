"""Secrets that tool servers and models refer to by name."""
