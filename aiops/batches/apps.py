"""Declares batches."""

from aiops.apps import Feature, Job, NavigationItem, RetentionKind

ENDED = ("completed", "failed", "expired", "cancelled")
"""``Batch.ENDED`` again, because tables cannot be imported here. A test compares the two."""


class Batches(Feature):
    name = "aiops.batches"

    api = {"batches": "aiops.batches.api:Batches"}
    pages = "aiops.batches.pages"
    navigation = (NavigationItem("Batches", "batches", order=10),)
    jobs = (
        Job("batches", "Advances, expires and removes batches.", run="aiops.batches.feeding:advance", outbound=False),
    )
    retention = (
        RetentionKind("batches", "aiops.batches.retention:ended", "aiops.batches.retention:hide", states=ENDED),
    )
    metrics = "aiops.batches.metrics:families"
    known_series = "aiops.batches.metrics:known"
    streams = {
        "/api/batches/{id}/events/": "aiops.batches.streams:events",
        "/api/batches/{id}/results/": "aiops.batches.streams:results",
        "/api/batches/{id}/errors/": "aiops.batches.streams:errors",
    }
    body_limits = {"/api/batches/": lambda settings: settings.max_batch_bytes + settings.max_body_bytes}
