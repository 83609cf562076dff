"""Attachments: text files that are sent with a message, and that the agent gets as data written by others."""
