"""Registers the room with Django."""

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Webhooks, in the tables ``webhooks_*``."""

    name = "aiops.webhooks"
    label = "webhooks"
