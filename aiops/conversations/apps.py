"""Declares the feature."""

from aiops.apps import Feature, Job, NavigationItem, RetentionKind


class Conversations(Feature):
    name = "aiops.conversations"

    api = {"conversations": "aiops.conversations.api:Conversations"}
    pages = "aiops.conversations.pages"
    navigation = (NavigationItem("Chat", "home", order=0),)
    streams = {"/api/conversations/{id}/export/": "aiops.conversations.streams:export"}
    jobs = (
        Job(
            "memory_expiry",
            "Removes the memory of idle conversations.",
            run="aiops.conversations.jobs:expire_memories",
            every_s=300,
            outbound=False,
        ),
    )
    departure = (4, "aiops.conversations.sharing:end_all")
    retention = (
        RetentionKind("conversations", "aiops.conversations.retention:idle", "aiops.conversations.retention:remove"),
    )
