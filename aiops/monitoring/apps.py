"""Declares the page of the run-book."""

from aiops.apps import Feature


class Monitoring(Feature):
    name = "aiops.monitoring"

    pages = "aiops.monitoring.pages"
