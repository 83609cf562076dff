"""Declares schedules."""

from aiops.apps import Feature, Job, NavigationItem, RetentionKind

MAX_FILE_BYTES = 1_000_000
"""Largest file of a schedule's batch: it is kept in the schedule's row."""


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
    body_limits = {"/api/schedules/": lambda settings: MAX_FILE_BYTES + settings.max_body_bytes}
    departure = (2, "aiops.schedules.lifecycle:leave")
    retention = (RetentionKind("firings", "aiops.schedules.retention:ended", "aiops.retention.pruning:remove_rows"),)
