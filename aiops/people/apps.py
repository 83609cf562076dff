"""Declares people."""

from aiops.apps import Feature, Job


class People(Feature):
    name = "aiops.people"

    api = {"tokens": "aiops.people.api:Tokens", "sessions": "aiops.people.api:Sessions"}
    pages = "aiops.people.pages"
    jobs = (
        Job(
            "tokens_and_sessions",
            "Removes expired tokens, sessions and idempotency keys, and old job history.",
            run="aiops.people.jobs:remove_expired",
            every_s=3_600,
            outbound=False,
        ),
    )
