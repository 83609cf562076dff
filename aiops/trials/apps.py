"""Declares the job that runs trials; other features declare what can be tried (``Feature.trials``)."""

from aiops.apps import Feature, Job


class Trials(Feature):
    name = "aiops.trials"

    jobs = (
        Job(
            "trials",
            "Tries tools, servers and secrets for people who wait for it.",
            run="aiops.trials.jobs:run_trials",
            every_s=60,
        ),
    )
