"""Declares retention, and refuses to start with an AIOPS_RETENTION that no installed feature can serve."""

from aiops.apps import Feature, Job
from aiops.settings import current


class Retention(Feature):
    name = "aiops.retention"

    def ready(self) -> None:
        from aiops.retention import rules  # noqa: PLC0415  its tables cannot be imported before this

        if wrong := rules.problems(current()):
            raise SystemExit("aiops cannot start:\n" + "\n".join(f"  - {problem}" for problem in wrong))

    api = {"upkeep/retention/preview": "aiops.retention.api:Preview"}
    jobs = (
        Job(
            "retention",
            "Removes objects older than AIOPS_RETENTION allows, and memory without a conversation.",
            run="aiops.retention.pruning:remove_old",
            every_s=600,
            outbound=False,
        ),
    )
