"""What is read of single parts of the system: queues, workers, beat, jobs, tool servers, the disk."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import Any

from django.db.models import Count, Min, OuterRef, Subquery

from aiops import database, dispatch, keyspace, metrics, settings
from aiops.llm.models import ProviderHealth
from aiops.maintenance.catalogue import catalogue
from aiops.maintenance.models import JobRun
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.tool_servers import uptime
from aiops.tool_servers.models import MCPServer

Facts = dict[str, Any]

OVERDUE = 5
"""A job is overdue after this many intervals, and ``GRACE``, without a run."""
GRACE = timedelta(seconds=30)
LOW_SHARE = 0.05
"""A disk with less of it free counts as full soon."""


def runs_of_queues() -> dict[str, tuple[int, float]]:
    """Return, by queue, the number of running runs and how many seconds the oldest queued one waits."""
    now = database.now()
    running = Run.objects.filter(state=State.RUNNING).values("queue").annotate(n=Count("pk"))
    queued = Run.objects.filter(state=State.QUEUED).values("queue").annotate(oldest=Min("queued_at"))
    counts = {row["queue"]: row["n"] for row in running}
    waits = {row["queue"]: max((now - row["oldest"]).total_seconds(), 0.0) for row in queued}
    return {queue: (counts.get(queue, 0), waits.get(queue, 0.0)) for queue in dispatch.RUN_QUEUES}


def workers() -> list[Facts]:
    """Return the worker processes that run agents, with what each reported; raises RedisError."""
    reported = metrics.of_process()
    return [
        {
            "name": name,
            "queue": queue,
            "seen_s": seen_s,
            "runs": int(reported[name]["runs_held"]) if name in reported else None,
            "loop_lag_s": reported[name]["loop_lag_seconds"] if name in reported else None,
        }
        for queue in dispatch.RUN_QUEUES
        for name, seen_s in sorted(keyspace.seen_workers(queue).items())
    ]


def beat(uptime_s: float) -> Facts:
    """Return whether beat and the maintenance worker did anything lately: beat starts the reaper every few seconds.

    A system that has just begun has time to.
    """
    last = JobRun.objects.filter(job="reaper").order_by("-started_at").values_list("started_at", flat=True).first()
    limit = timedelta(seconds=settings.current().reaper_s * OVERDUE) + GRACE
    is_new = timedelta(seconds=uptime_s) < limit
    return {"ok": is_new or (last is not None and database.now() - last < limit), "last_at": last}


def disk() -> Facts:
    """Return the space on the file system of the home of this process."""
    home = os.path.abspath(settings.current().home)
    try:
        usage = shutil.disk_usage(home)
    except OSError:  # web has no home where servers keep everything
        return {"ok": True, "path": home, "free_bytes": None, "total_bytes": None}
    ok = usage.free > usage.total * LOW_SHARE
    return {"ok": ok, "path": home, "free_bytes": usage.free, "total_bytes": usage.total}


def provider(name: str) -> Facts | None:
    """Return the result of the provider's last health check; None before the first, and for the offline model."""
    row = ProviderHealth.objects.filter(provider=name).values("reachable", "detail", "checked_at", "since").first()
    return dict(row) if row is not None else None


def jobs() -> list[Facts]:
    """Return each job with its last run that ended."""
    every, now = catalogue(settings.current()), database.now()
    newest = JobRun.objects.filter(job=OuterRef("job")).exclude(outcome=JobRun.Outcome.RUNNING).order_by("-started_at")
    ended = JobRun.objects.filter(pk=Subquery(newest.values("pk")[:1])).values("job", "started_at", "outcome")
    last = {row["job"]: row for row in ended}
    never = {"started_at": None, "outcome": None}
    rows: list[Facts] = [{"every_s": job.every_s, **never, **last.get(job.name, {}), "job": job.name} for job in every]
    for row in rows:
        limit = timedelta(seconds=row["every_s"] * OVERDUE) + GRACE
        row["overdue"] = row["started_at"] is not None and now - row["started_at"] > limit
    return rows


def tool_servers() -> list[Facts]:
    """Return the rows, and the servers of AIOPS_TOOL_SERVERS, which get no health checks."""
    columns = ("pk", "name", "status", "problem", "required", "checked_at", "status_since")
    rows: list[Facts] = [dict(row) for row in MCPServer.objects.values(*columns)]
    strips = uptime.strips([row["pk"] for row in rows])
    for row in rows:
        row["since"] = row.pop("status_since")
        row["strip"] = strips[row.pop("pk")]
        row["uptime"] = row["strip"].share
    taken = {row["name"] for row in rows}
    named = [name for name in settings.current().tool_servers if name not in taken]
    unchecked = {
        "status": "unknown",
        "problem": "",
        "required": False,
        "checked_at": None,
        "since": None,
        "uptime": None,
    }
    return [*rows, *({"name": name, **unchecked} for name in named)]
