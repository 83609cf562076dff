"""Conversations: their messages, transcript and memory, and the chat page."""
