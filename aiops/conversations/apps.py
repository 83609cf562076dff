"""Registers the room with Django."""

from django.apps import AppConfig


class ConversationsConfig(AppConfig):
    """Conversations, in the tables ``conversations_*``."""

    name = "aiops.conversations"
    label = "conversations"
