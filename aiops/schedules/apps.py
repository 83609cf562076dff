"""Declares schedules."""

from aiops.apps import Feature, Job, NavigationItem, RetentionKind


class Schedules(Feature):
    name = "aiops.schedules"

    api = {"schedules": "aiops.schedules.api:Schedules"}
    pages = "aiops.schedules.pages"
    navigation = (NavigationItem("Schedules", "schedules", order=20),)
    jobs = (
        Job(
            "schedules",
            "Starts the prompts and batches of schedules that are due.",
            run="aiops.schedules.firing:tick",
            outbound=False,
        ),
    )
    retention = (RetentionKind("firings", "aiops.schedules.retention:ended", "aiops.retention.pruning:remove_rows"),)
