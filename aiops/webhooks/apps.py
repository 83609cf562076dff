"""Declares webhooks."""

from aiops.apps import MANAGE, Feature, Job, NavigationItem, RetentionKind


class Webhooks(Feature):
    name = "aiops.webhooks"

    api = {"webhooks/key": "aiops.webhooks.api:WebhookKey", "webhooks": "aiops.webhooks.api:Webhooks"}
    pages = "aiops.webhooks.pages"
    navigation = (NavigationItem("Webhooks", "webhooks", order=95, group=MANAGE),)
    jobs = (
        Job(
            "webhooks",
            "Sends webhooks about ended runs and batches, and retries those that failed.",
            run="aiops.webhooks.delivering:deliver",
        ),
    )
    known_series = "aiops.webhooks.metrics:known"
    retention = (RetentionKind("deliveries", "aiops.webhooks.retention:ended", "aiops.retention.pruning:remove_rows"),)
