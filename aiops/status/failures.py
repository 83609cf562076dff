"""What failed in the last 24 hours: runs, batches and schedules of all users."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiops import database, dispatch
from aiops.batches.models import Batch
from aiops.people.models import User
from aiops.runs import listing
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.schedules.models import Firing

SHOWN = 15
SINCE = timedelta(hours=24)
NEWEST = 500
"""Of batches and firings, so many of the newest are examined."""
FAILED = (Firing.Outcome.FAILED, Firing.Outcome.REFUSED, Firing.Outcome.MISSED)


def recent() -> list[dict[str, Any]]:
    """Return the newest failures: kind, id, name, at, detail."""
    begin = database.now() - SINCE
    found = [*_runs(begin), *_batches(begin), *_firings(begin)]
    return sorted(found, key=lambda one: one["at"], reverse=True)[:SHOWN]


def _runs(begin: Any) -> list[dict[str, Any]]:
    failed = Run.objects.filter(queue=dispatch.RUNS_QUEUE, state=State.FAILED, finished_at__gte=begin)
    rows = listing.with_facts(failed).defer("answer", "steps").order_by("-finished_at")[:SHOWN]
    return [
        _failure(
            "run", row.pk, listing.prompt_of(row), row.finished_at, (row.error or {}).get("detail"), user=row.user_id
        )
        for row in rows
    ]


def _batches(begin: Any) -> list[dict[str, Any]]:
    columns = ("pk", "user_id", "name", "state", "failed", "ended_at", "error")
    newest = Batch.objects.filter(deleted_at=None).order_by("-pk").values(*columns)[:NEWEST]
    rows = [
        r
        for r in newest
        if (r["state"] == Batch.State.FAILED or r["failed"]) and r["ended_at"] and r["ended_at"] >= begin
    ]
    return [
        _failure(
            "batch",
            row["pk"],
            row["name"] or "Batch",
            row["ended_at"],
            (row["error"] or {}).get("detail") or f"{row['failed']} items failed.",
            user=row["user_id"],
        )
        for row in rows[:SHOWN]
    ]


def _firings(begin: Any) -> list[dict[str, Any]]:
    columns = ("schedule_id", "schedule__name", "schedule__user_id", "fired_at", "outcome", "reason")
    newest = Firing.objects.filter(fired_at__gte=begin).order_by("-fired_at").values(*columns)[:NEWEST]
    rows = [row for row in newest if row["outcome"] in FAILED]
    return [
        _failure(
            "schedule",
            row["schedule_id"],
            row["schedule__name"],
            row["fired_at"],
            row["reason"] or Firing.Outcome(row["outcome"]).label,
            user=row["schedule__user_id"],
        )
        for row in rows[:SHOWN]
    ]


def visible_to(user: User, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the failures with what this user may read: names and reasons of others need ``runs.view_all``."""
    if user.has_perm(listing.VIEW_ALL):
        return found
    hidden = {"name": "of somebody else", "detail": "", "id": None}
    return [one if one["user"] == user.pk else {**one, **hidden} for one in found]


def _failure(kind: str, pk: Any, name: str, at: Any, detail: str | None, *, user: Any) -> dict[str, Any]:
    return {"kind": kind, "id": pk, "name": name, "at": at, "detail": detail or "", "user": user}
