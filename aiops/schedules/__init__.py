"""Prompts and batches that the clock asks for: when each is due, what it starts, and what came of it."""
