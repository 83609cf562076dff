"""Registers the room with Django."""

from django.apps import AppConfig


class BatchesConfig(AppConfig):
    """Batches, in the tables ``batches_*``."""

    name = "aiops.batches"
    label = "batches"
