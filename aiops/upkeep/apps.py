"""Registers the room with Django."""

from django.apps import AppConfig


class UpkeepConfig(AppConfig):
    """Upkeep: its jobs; their rows are the room ``jobs``'s."""

    name = "aiops.upkeep"
    label = "upkeep"
