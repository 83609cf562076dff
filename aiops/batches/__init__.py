"""Batches: many prompts as one object, validated first and then answered a few at a time."""
