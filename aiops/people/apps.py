"""Declares people."""

from aiops.apps import MANAGE, Feature, Job, NavigationItem


class People(Feature):
    name = "aiops.people"

    api = {
        "tokens": "aiops.people.api:Tokens",
        "sessions": "aiops.people.api:Sessions",
        "people": "aiops.people.api:People",
    }
    pages = "aiops.people.pages"
    navigation = (NavigationItem("People", "people", order=85, permission="people.view_user", group=MANAGE),)
    jobs = (
        Job(
            "tokens_and_sessions",
            "Removes expired tokens, sessions and idempotency keys, and old job history.",
            run="aiops.people.jobs:remove_expired",
            every_s=3_600,
            outbound=False,
        ),
    )
