"""Registers the room with Django."""

from django.apps import AppConfig


class SchedulesConfig(AppConfig):
    """Schedules, in the tables ``schedules_*``."""

    name = "aiops.schedules"
    label = "schedules"
