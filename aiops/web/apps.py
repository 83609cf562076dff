"""Registers the entrance with Django (templates and static files; no tables)."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    """The web entrance."""

    name = "aiops.web"
    label = "web"
