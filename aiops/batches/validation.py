"""Validates a batch: reads its whole file into items before the first one runs, then starts or fails the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import Any

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q
from django.db.models.functions import Now

from aiops import database, log
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch, Item, Upload
from aiops.batches.reading.lines import read
from aiops.batches.reading.values import BadFile, Line, Rules
from aiops.settings import Settings

STEP = 500
LEASE_S = 60.0
LINE_OVERHEAD_BYTES = 65_536
"""Allowance for everything in a line except its prompt: other columns, earlier messages, escapes."""
NO_LINES = "The file has no lines."
TO_THE_CHOSEN = "Or send all lines to the chosen model: ignore_model."
State = Batch.State
CheckOptions = Callable[[dict[str, Any]], str]
"""Returns why no run can have these options (model, provider …), or an empty text."""

logger = log.get(__name__)


def validate(
    batch_id: str, settings: Settings, *, check_options: Callable[..., str] = lambda options, *, user: ""
) -> None:
    """Read a batch's file into items, then start or fail it; does nothing while another worker holds the lease.

    ``check_options`` takes options and the batch's ``user``, and returns why no run of theirs can have them.
    """
    free = Q(lease_until=None) | Q(lease_until__lt=Now())
    mine = Batch.objects.filter(free, pk=batch_id, state=State.VALIDATING)
    if not mine.update(lease_until=database.in_seconds(LEASE_S)):
        return  # delivered twice, or cancelled
    batch = Batch.objects.get(pk=batch_id)
    check = partial(check_options, user=batch.user)
    with transaction.atomic():
        if not Batch.objects.filter(pk=batch_id, state=State.VALIDATING).update(total=0, invalid=0):
            return  # it was cancelled meanwhile
        Item.objects.filter(batch=batch).delete()  # of a worker that died while validating
    rules = rules_for(batch, settings)
    problem = ""
    total = invalid = 0
    try:
        lines = lines_of(_pieces(batch), batch.format, rules, defaults=batch.defaults, check_options=check)
        rows = (_item(batch, line) for line in lines)
        while items := list(islice(rows, STEP)):
            total += len(items)
            invalid += sum(item.state == Item.State.INVALID for item in items)
            if total > settings.max_batch_items:
                raise BadFile(f"There are more than {settings.max_batch_items} lines: send several batches.")
            if not _write_items(batch, items, total=total, invalid=invalid):
                return  # it was cancelled meanwhile
    except BadFile as bad:
        problem = str(bad)
    except (OperationalError, InterfaceError):
        raise  # the maintenance job dispatches the validation again
    except Exception as error:  # every attempt would fail in the same way
        logger.exception("batch.unreadable", batch=batch_id)
        problem = f"Its lines could not be read ({type(error).__name__}): the log has the details."
    if not problem and total == invalid:
        problem = "No line is valid." if total else NO_LINES
    elif not problem and invalid and batch.policy == Batch.Policy.ALL_OR_NOTHING:
        problem = f"{invalid} of {total} lines are invalid, so nothing was run: correct them, or skip invalid lines."
    with transaction.atomic():
        held = Batch.objects.filter(pk=batch_id, state=State.VALIDATING)
        if problem:
            why = {"code": "invalid_batch", "detail": problem}
            if held.update(state=State.FAILED, ended_at=Now(), lease_until=None, error=why):
                cancelled = _cancel_valid_items(batch, problem)
                count = Item.objects.filter(batch=batch).count()  # the last step may not have been written
                Batch.objects.filter(pk=batch_id).update(total=count, invalid=count - cancelled, cancelled=cancelled)
        else:
            until = Now() + timedelta(seconds=batch.completion_window_s)
            held.update(state=State.IN_PROGRESS, in_progress_at=Now(), expires_at=until, lease_until=None)
        Upload.objects.filter(batch=batch).delete()  # the items have its content
    logger.info("batch.validated", batch=batch_id, total=total, invalid=invalid, problem=problem)


def _cancel_valid_items(batch: Batch, problem: str) -> int:
    """Cancel the valid items of a batch that failed, with the reason; return how many."""
    error = {"code": "not_run", "detail": f"The batch was refused, so nothing was run: {problem}", "retry": False}
    valid = Item.objects.filter(batch=batch, state=Item.State.PENDING)
    return valid.update(state=Item.State.CANCELLED, error=error)


def rules_for(plan: Batch | Plan, settings: Settings) -> Rules:
    """Return the rules for the lines of a batch."""
    return Rules(
        template=plan.template,
        columns=plan.columns,
        ignore_model=plan.ignore_model,
        encoding=plan.encoding,
        max_message_bytes=settings.max_message_bytes,
        max_line_bytes=settings.max_message_bytes + LINE_OVERHEAD_BYTES,
    )


def _write_items(batch: Batch, items: list[Item], *, total: int, invalid: int) -> bool:
    """Write some items and renew the lease; False when the batch is no longer being validated."""
    with transaction.atomic():
        held = Batch.objects.filter(pk=batch.pk, state=State.VALIDATING)
        lease = database.in_seconds(LEASE_S)
        if not held.update(lease_until=lease, total=total, invalid=invalid):
            return False
        Item.objects.bulk_create(items)
    return True


def lines_of(
    pieces: Iterable[bytes],
    file_format: str,
    rules: Rules,
    *,
    defaults: dict[str, Any],
    check_options: CheckOptions,
) -> Iterator[Line]:
    """Yield every line that is not blank, with its problem if it is invalid; raises BadFile."""
    seen: dict[str, int] = {}
    of_model: dict[Any, str] = {}  # each model is checked once, not on every line
    for line in read(pieces, file_format, rules):
        problem = line.problem
        if not problem and (model := line.options.get("model")) is not None:
            if model not in of_model:
                of_model[model] = check_options({**defaults, **line.options})
            problem = of_model[model] and f"{of_model[model]} {TO_THE_CHOSEN}"
        if not problem and line.custom_id in seen:
            problem = _duplicate_problem(line, seen[line.custom_id])
        if not problem:
            seen[line.custom_id] = line.number
        yield replace(line, problem=problem)


def _duplicate_problem(line: Line, first: int) -> str:
    numbered = " (a line without one gets its number)" if line.custom_id in (str(line.number), str(first)) else ""
    return f"The custom_id {line.custom_id!r} is not unique: line {first} has it, too{numbered}."


def _item(batch: Batch, line: Line) -> Item:
    if line.problem:
        error = {"code": "invalid_line", "detail": line.problem, "retry": False}
        return Item(batch=batch, number=line.number, custom_id=line.custom_id, state=Item.State.INVALID, error=error)
    options = {**batch.defaults, **line.options}
    return Item(batch=batch, number=line.number, custom_id=line.custom_id, messages=line.messages, options=options)


def _pieces(batch: Batch) -> Iterator[bytes]:
    """Yield the file with one query for each piece.

    Items are written in between, and SQLite refuses a write at once ("database is locked") beside an open query when
    another connection has written since that query began.
    """
    pieces = Upload.objects.filter(batch=batch)
    number = 0
    while (data := pieces.filter(number=number).values_list("data", flat=True).first()) is not None:
        yield bytes(data)
        number += 1
