"""Registers the room with Django."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """People, in the tables ``people_*``."""

    name = "aiops.people"
    label = "people"
