"""Declares maintenance."""

from aiops.apps import STAFF, SYSTEM, Feature, NavigationItem


class Maintenance(Feature):
    name = "aiops.maintenance"

    api = {
        "upkeep": "aiops.maintenance.api:Jobs",
        "upkeep/<str:name>/runs": "aiops.maintenance.api:JobRuns",
        "upkeep/<str:name>/run": "aiops.maintenance.api:RunJob",
    }
    pages = "aiops.maintenance.pages"
    navigation = (NavigationItem("Maintenance", "upkeep", order=50, permission=STAFF, group=SYSTEM),)
    metrics = "aiops.maintenance.metrics:families"
    known_series = "aiops.maintenance.metrics:known"
