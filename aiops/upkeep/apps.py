"""Registers the room with Django."""

from django.apps import AppConfig


class UpkeepConfig(AppConfig):
    """Upkeep, in the tables ``upkeep_*``."""

    name = "aiops.upkeep"
    label = "upkeep"
