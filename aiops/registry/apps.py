"""Registers the room with Django."""

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """What operators configure, in the tables ``registry_*``."""

    name = "aiops.registry"
    label = "registry"
