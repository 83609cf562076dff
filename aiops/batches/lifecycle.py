"""What a batch's owner does with it: make, cancel, resume, try again, delete; and its validation by a worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from aiops import log
from aiops.batches.models import Batch, Item, Upload
from aiops.batches.reading import BadFile, Line, Rules, read
from aiops.conversations import transitions
from aiops.errors import Conflict, TooMany
from aiops.people.models import User
from aiops.settings import Settings

PIECE_BYTES = 512_000
STEP = 500
VALIDATION_LEASE_S = 60.0
LINE_OVERHEAD_BYTES = 65_536
"""Room of a line for what is not its prompt: other columns, earlier messages, escapes."""
State = Batch.State

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What somebody asks of a batch besides its lines."""

    name: str
    format: str
    policy: str
    template: str
    response_schema: dict[str, Any] | None
    defaults: dict[str, Any]
    max_concurrency: int
    completion_window_s: int
    webhook: str = ""


def make(user: User, plan: Plan, pieces: Iterable[bytes], *, most: int) -> Batch:
    """Write a batch and its file; raises TooMany. Must run in a transaction; dispatch its validation afterwards."""
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if Batch.objects.filter(user=user, state__in=Batch.UNFINISHED, deleted_at=None).count() >= most:
        raise TooMany(
            f"You have {most} unfinished batches, the most one person may have: wait for one or cancel it.",
            code="too_many_batches",
        )
    batch = Batch.objects.create(
        user=user,
        name=plan.name,
        format=plan.format,
        policy=plan.policy,
        template=plan.template,
        response_schema=plan.response_schema,
        defaults=plan.defaults,
        max_concurrency=plan.max_concurrency,
        completion_window_s=plan.completion_window_s,
        webhook=plan.webhook,
        webhook_due=bool(plan.webhook),
    )
    for number, piece in enumerate(pieces):
        Upload.objects.create(batch=batch, number=number, data=piece)
    return batch


def validate(batch_id: str, settings: Settings) -> None:
    """Read a batch's file into items, and let it begin or fail; harmless when somebody else does it already."""
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    mine = Batch.objects.filter(free, pk=batch_id, state=State.VALIDATING)
    if not mine.update(lease_until=transitions.in_seconds(VALIDATION_LEASE_S)):
        return
    batch = Batch.objects.get(pk=batch_id)
    with transaction.atomic():
        Item.objects.filter(batch=batch).delete()  # of a validation that died
        Batch.objects.filter(pk=batch_id).update(total=0, invalid=0)
    rules = Rules(
        template=batch.template,
        max_message_bytes=settings.max_message_bytes,
        max_line_bytes=settings.max_message_bytes + LINE_OVERHEAD_BYTES,
    )
    problem = ""
    total = invalid = 0
    try:
        for items in _in_steps(_items(batch, rules)):
            total += len(items)
            invalid += sum(item.state == Item.State.INVALID for item in items)
            if total > settings.max_batch_items:
                raise BadFile(f"There are more than {settings.max_batch_items} lines: send several batches.")
            if not _keep(batch, items, total=total, invalid=invalid):
                return  # it was cancelled meanwhile
    except BadFile as bad:
        problem = str(bad)
    if not problem and total == invalid:
        problem = "No line is valid." if total else "The file has no lines."
    elif not problem and invalid and batch.policy == Batch.Policy.ALL_OR_NOTHING:
        problem = f"{invalid} of {total} lines are invalid, and nothing was run: see them, or choose skip_invalid."
    with transaction.atomic():
        held = Batch.objects.filter(pk=batch_id, state=State.VALIDATING)
        if problem:
            error = {"code": "invalid_batch", "detail": problem}
            held.update(state=State.FAILED, error=error, total=total, invalid=invalid, ended_at=Now(), lease_until=None)
        else:
            until = Now() + timedelta(seconds=batch.completion_window_s)
            held.update(state=State.IN_PROGRESS, in_progress_at=Now(), expires_at=until, lease_until=None)
        Upload.objects.filter(batch=batch).delete()
    logger.info("batch.validated", batch=batch_id, total=total, invalid=invalid, problem=problem)


def _keep(batch: Batch, items: list[Item], *, total: int, invalid: int) -> bool:
    """Write some items while the batch is still to be validated; whether it is."""
    with transaction.atomic():
        held = Batch.objects.filter(pk=batch.pk, state=State.VALIDATING)
        lease = transitions.in_seconds(VALIDATION_LEASE_S)
        if not held.update(lease_until=lease, total=total, invalid=invalid):
            return False
        Item.objects.bulk_create(items)
    return True


def _items(batch: Batch, rules: Rules) -> Iterator[Item]:
    seen: set[str] = set()
    for line in read(_pieces(batch), batch.format, rules):
        problem = line.problem
        if not problem and line.custom_id in seen:
            problem = f"The custom_id {line.custom_id!r} is there twice."
        if not problem:
            seen.add(line.custom_id)
        yield _item(batch, line, problem)


def _item(batch: Batch, line: Line, problem: str) -> Item:
    if problem:
        error = {"code": "invalid_line", "detail": problem, "retry": False}
        return Item(batch=batch, number=line.number, custom_id=line.custom_id, state=Item.State.INVALID, error=error)
    options = {**batch.defaults, **line.options}
    return Item(batch=batch, number=line.number, custom_id=line.custom_id, messages=line.messages, options=options)


def _pieces(batch: Batch) -> Iterator[bytes]:
    for upload in Upload.objects.filter(batch=batch).order_by("number").iterator(chunk_size=4):
        yield bytes(upload.data)


def _in_steps(items: Iterator[Item]) -> Iterator[list[Item]]:
    step: list[Item] = []
    for item in items:
        step.append(item)
        if len(step) == STEP:
            yield step
            step = []
    if step:
        yield step


def schema_of(run_id: UUID) -> dict[str, Any] | None:
    """Return the schema that the answer of an item's run must fit; None when its batch asks for none, or is gone."""
    return Item.objects.filter(run=run_id).values_list("batch__response_schema", flat=True).first()


def cancel(batch: Batch) -> dict[str, str]:
    """Stop a batch and keep what is done; return the runs that stop, with the state each had. Raises Conflict."""
    with transaction.atomic():
        unended = Batch.objects.filter(pk=batch.pk, state__in=[State.VALIDATING, State.IN_PROGRESS])
        if not unended.update(state=State.CANCELLING, cancelling_at=Now()):
            batch.refresh_from_db()
            raise Conflict(f"This batch cannot be cancelled: it is {batch.state}.", code="batch_ended")
        Upload.objects.filter(batch=batch).delete()
        pending = Item.objects.filter(batch=batch, state=Item.State.PENDING)
        Batch.objects.filter(pk=batch.pk).update(cancelled=F("cancelled") + pending.update(state=Item.State.CANCELLED))
        running = Item.objects.filter(batch=batch, state=Item.State.RUNNING)
        return transitions.request_cancel([pk for pk in running.values_list("run_id", flat=True) if pk])


def again(batch: Batch, *, states: tuple[str, ...]) -> int:
    """Let an ended batch's items of these states run once more; return how many. Raises Conflict."""
    with transaction.atomic():
        locked = Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
        if locked.state not in Batch.ENDED or locked.in_progress_at is None:
            raise Conflict(f"This batch is {locked.state}: wait for its end.", code="batch_busy")
        counts = {}
        for state in states:
            chosen = Item.objects.filter(batch=batch, state=state)
            counts[state] = chosen.update(state=Item.State.PENDING, tries=0, not_before=None, error=None)
        if not any(counts.values()):
            raise Conflict(f"There is nothing {' or '.join(states)} in this batch.", code="nothing_to_do")
        for state, count in counts.items():
            setattr(locked, state, getattr(locked, state) - count)
        locked.state, locked.webhook_due = State.IN_PROGRESS, bool(locked.webhook)
        locked.ended_at = locked.finalizing_at = locked.cancelling_at = None
        locked.save()
        window = timedelta(seconds=locked.completion_window_s)
        Batch.objects.filter(pk=batch.pk).update(expires_at=Now() + window)
    return sum(counts.values())


def delete(batch_id: UUID) -> None:
    """Hide a batch at once; upkeep removes what it left. Raises Conflict while it is unfinished."""
    if not Batch.objects.filter(pk=batch_id, state__in=Batch.ENDED).update(deleted_at=Now()):
        raise Conflict("This batch is unfinished: cancel it first.", code="batch_busy")
