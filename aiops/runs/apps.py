"""Runs: one attempt each to answer one message."""

from aiops import keyspace
from aiops.apps import Feature, Job, NavigationItem, RetentionKind
from aiops.runs import states


class Runs(Feature):
    name = "aiops.runs"

    api = {
        "chat": "aiops.runs.api.chat:Chat",
        "runs": "aiops.runs.api.runs:Runs",
        "messages": "aiops.runs.api.messages:Messages",
    }
    pages = "aiops.runs.pages"
    navigation = (NavigationItem("Runs", "runs", order=5),)
    jobs = (
        Job(
            "reaper",
            "Takes back runs whose lease has expired, and resends runs that the queue lost.",
            run="aiops.runs.reaper:reap",
            outbound=False,
        ),
        Job(
            "event_streams",
            "Sets an expiry on event streams that have none.",
            run="aiops.runs.jobs:end_event_streams",
            every_s=300,
            outbound=False,
        ),
    )
    retention = (
        RetentionKind("runs", "aiops.runs.retention:ended", "aiops.runs.retention:remove", states=states.ENDED),
    )
    departure = (5, "aiops.runs.cancelling:leave")
    metrics = "aiops.runs.metrics:families"
    known_series = "aiops.runs.metrics:known"
    trials = {"middleware": "aiops.runs.work.chains:try_middleware"}
    control = {keyspace.STOP: lambda worker, run_id: worker.stop_run(run_id)}
    streams = {"/api/runs/{id}/events": "aiops.web.doors.sse:events"}
