"""Registers the room with Django."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """Jobs; their table was made by the room ``upkeep`` and keeps its name."""

    name = "aiops.jobs"
    label = "jobs"
