"""Declares attachments."""

from aiops.apps import Feature, Job
from aiops.attachments.limits import MAX_BYTES


class Attachments(Feature):
    name = "aiops.attachments"

    pages = "aiops.attachments.pages"
    api = {"attachments": "aiops.attachments.api:Attachments"}
    jobs = (
        Job(
            "attachments",
            "Removes attachments that were sent with no message for a day.",
            run="aiops.attachments.jobs:remove_unsent",
            every_s=3_600,
            outbound=False,
        ),
    )
    body_limits = {"/api/attachments/": lambda settings: MAX_BYTES + settings.max_body_bytes}
