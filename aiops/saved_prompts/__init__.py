"""Prompts that people save, to pick them in the chat."""
