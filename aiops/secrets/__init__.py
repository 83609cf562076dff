"""Secrets that tool servers refer to by name."""
