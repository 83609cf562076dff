"""Creates, cancels, reruns, fails and deletes batches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from aiops.batches import template as templates
from aiops.batches.models import Batch, Item, Upload
from aiops.errors import Conflict, Invalid, TooMany
from aiops.people import accounts
from aiops.people.models import User
from aiops.runs import transitions

PIECE_BYTES = 512_000
RUN_OPTIONS = ("model", "provider", "temperature", "deadline_s")
"""Fields of a request that become options of the runs."""
State = Batch.State


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a batch is created with, except its lines."""

    name: str
    format: str
    policy: str
    template: str
    response_schema: dict[str, Any] | None
    defaults: dict[str, Any]
    max_concurrency: int
    completion_window_s: int
    webhook: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    ignore_model: bool = False
    allow_changes: bool = False
    encoding: str = ""

    @classmethod
    def of_request(cls, request: dict[str, Any], *, file_format: str) -> Plan:
        """Return the plan of a request's validated fields; raises Invalid."""
        template = request["template"]
        if template and (problem := templates.problem(template)):
            raise Invalid("The template cannot be filled.", errors={"template": [problem]})
        if request["columns"] and file_format != Batch.Format.CSV:
            raise Invalid(
                "Columns are those of a CSV file.", errors={"columns": ["Leave it out: this is no CSV file."]}
            )
        return cls(
            name=request["name"],
            format=file_format,
            policy=request["policy"],
            template=template,
            response_schema=request.get("response_schema"),
            defaults={name: request[name] for name in RUN_OPTIONS if name in request},
            max_concurrency=request["max_concurrency"],
            completion_window_s=request["completion_window_s"],
            webhook=request["webhook"],
            columns=request["columns"],
            ignore_model=request["ignore_model"],
            allow_changes=request["allow_changes"],
            encoding=request["encoding"],
        )

    @classmethod
    def from_stored(cls, stored: dict[str, Any]) -> Plan:
        """Return the plan that a schedule's row stores; raises Invalid when a field without a default is missing.

        Another version may have written the row: fields that no longer exist are ignored, so new fields need a default.
        """
        needed = [one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING]
        missing = [name for name in needed if name not in stored]
        if missing:
            raise Invalid(f"The stored batch has no {', '.join(missing)}.")
        return cls(**{one.name: stored[one.name] for one in fields(cls) if one.name in stored})


def make(user: User, plan: Plan, pieces: Iterable[bytes], *, most: int) -> Batch:
    """Create a batch and store its file; raises TooMany.

    Must run in a transaction; the caller dispatches the validation after the commit.
    """
    accounts.lock_active(user.pk)  # or two simultaneous requests could both find room for one more
    if Batch.objects.filter(user=user, state__in=Batch.UNFINISHED, deleted_at=None).count() >= most:
        raise TooMany(
            f"You have {most} unfinished batches, the most one person may have: wait for one or cancel it.",
            code="too_many_batches",
        )
    batch = Batch.objects.create(user=user, webhook_due=bool(plan.webhook), **asdict(plan))
    for number, piece in enumerate(pieces):
        Upload.objects.create(batch=batch, number=number, data=piece)
    return batch


def schema_of(run_id: UUID) -> dict[str, Any] | None:
    """Return the schema that the answer of an item's run must match: its line's, else its batch's.

    None when neither has one, or the batch was deleted.
    """
    found = Item.objects.filter(run=run_id).values_list("options", "batch__response_schema").first()
    options, of_batch = found or ({}, None)
    return options.get("response_schema") or of_batch


def cancel(batch: Batch) -> dict[str, str]:
    """Cancel a batch; return its running runs with the state that each had. Raises Conflict."""
    with transaction.atomic():
        unended = Batch.objects.filter(pk=batch.pk, state__in=[State.VALIDATING, State.IN_PROGRESS])
        if not unended.update(state=State.CANCELLING, cancelling_at=Now()):
            batch.refresh_from_db()
            raise Conflict(f"This batch cannot be cancelled: it is {batch.state}.", code="batch_ended")
        # running items stay running: ``feeding`` settles them when their runs have stopped
        running = Item.objects.filter(batch=batch, state=Item.State.RUNNING)
        stopped = transitions.request_cancel([pk for pk in running.values_list("run_id", flat=True) if pk])
        Upload.objects.filter(batch=batch).delete()
        pending = Item.objects.filter(batch=batch, state=Item.State.PENDING)
        Batch.objects.filter(pk=batch.pk).update(cancelled=F("cancelled") + pending.update(state=Item.State.CANCELLED))
    return stopped


def rerun(batch: Batch, *, states: tuple[str, ...]) -> int:
    """Make an ended batch's items in these states pending again; return how many. Raises Conflict."""
    with transaction.atomic():
        locked = Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
        if locked.state not in Batch.ENDED:
            raise Conflict(f"This batch is {locked.state}: wait for its end.", code="batch_busy")
        if locked.in_progress_at is None:  # its file may not have been read to the end
            raise Conflict(f"This batch {locked.state} before any item ran: create it again.", code="nothing_to_do")
        reset: dict[str, Any] = {"state": Item.State.PENDING, "tries": 0, "not_before": None, "error": None}
        counts = {state: Item.objects.filter(batch=batch, state=state).update(**reset) for state in states}
        if not any(counts.values()):
            raise Conflict(f"This batch has no {' or '.join(states)} items.", code="nothing_to_do")
        for state, count in counts.items():
            setattr(locked, state, getattr(locked, state) - count)
        # the second end is reported, too
        locked.state, locked.webhook_due = State.IN_PROGRESS, bool(locked.webhook)
        locked.ended_at = locked.finalizing_at = locked.cancelling_at = None
        locked.expires_at = Now() + timedelta(seconds=locked.completion_window_s)
        locked.save()
    return sum(counts.values())


def fail(batch_id: UUID, detail: str) -> dict[str, str]:
    """End a batch that aiops cannot continue, cancelling its items; return its running runs as ``cancel`` does."""
    error = {"code": "internal_error", "detail": detail}
    with transaction.atomic():
        batch = Batch.objects.select_for_update(no_key=True).filter(pk=batch_id, state__in=Batch.UNFINISHED).first()
        if batch is None:
            return {}
        left = Item.objects.filter(batch=batch, state__in=[Item.State.PENDING, Item.State.RUNNING])
        running = left.filter(state=Item.State.RUNNING).values_list("run_id", flat=True)
        stopped = transitions.request_cancel([pk for pk in running if pk])
        # running items as well, because nothing settles the items of an ended batch
        count = left.update(state=Item.State.CANCELLED, error={**error, "retry": False})
        changes = {"state": State.FAILED, "error": error, "ended_at": Now(), "cancelled": F("cancelled") + count}
        Batch.objects.filter(pk=batch.pk).update(**changes)
    return stopped


def delete(batch_id: UUID) -> None:
    """Hide a batch; the maintenance job removes its rows. Raises Conflict while it is unfinished."""
    if not Batch.objects.filter(pk=batch_id, state__in=Batch.ENDED).update(deleted_at=Now()):
        raise Conflict("This batch is unfinished: cancel it first.", code="batch_busy")


def locked(batch_id: Any) -> Batch | None:
    """Lock a batch; None when another process holds its lock. (SQLite has one writer, who holds every lock.)"""
    rows: QuerySet[Batch] = Batch.objects.select_for_update(no_key=True, skip_locked=True)
    return rows.filter(pk=batch_id).first()
