"""The job that imports and exports files. One that a dead worker left is taken again: its rows are idempotent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import F, Q
from django.db.models.functions import Now

from aiops import log
from aiops.errors import AiopsError
from aiops.settings import Settings
from aiops.transfers.exporting import export
from aiops.transfers.importing import import_
from aiops.transfers.models import Transfer
from aiops.transfers.tables import table

SILENT = timedelta(minutes=1)
"""After so long without a sign of life, another worker takes it."""
MOST_ATTEMPTS = 3
KEPT = timedelta(days=7)
GIVEN_UP = "It broke off three times, or a worker died: the log of worker-upkeep says why."

logger = log.get(__name__)


class _Lost(Exception):
    """Another worker has taken it: write nothing more."""


def run_transfers(settings: Settings) -> dict[str, int]:
    """Do what waits, the oldest first, and remove what is old; return counts."""
    removed, _ = Transfer.objects.filter(finished_at__lt=Now() - KEPT).delete()
    done = 0
    while (taken := _take()) is not None:
        _run(taken)
        done += 1
    return {"transfers": done, "removed": removed}


def _take() -> Transfer | None:
    waiting = Transfer.objects.filter(
        Q(state=Transfer.State.QUEUED) | Q(state=Transfer.State.RUNNING, touched_at__lt=Now() - SILENT)
    )
    for found in waiting.order_by("created_at").defer("file")[:10]:
        if found.attempt >= MOST_ATTEMPTS:
            given_up = {"state": Transfer.State.FAILED, "problems": [_whole(GIVEN_UP)], "file": None}
            waiting.filter(pk=found.pk, attempt=found.attempt).update(**given_up, finished_at=Now())
            continue
        claimed = waiting.filter(pk=found.pk, attempt=found.attempt).update(
            state=Transfer.State.RUNNING, attempt=F("attempt") + 1, touched_at=Now()
        )
        if claimed:
            return Transfer.objects.select_related("user").get(pk=found.pk)
    return None


def _run(transfer: Transfer) -> None:
    def progress(phase: str, done: int, total: int) -> None:
        _write(transfer, phase=phase, done=done, total=total)

    try:
        if transfer.direction == Transfer.Direction.EXPORT:
            ending = _exported(transfer, progress)
        else:
            ending = _imported(transfer, progress)
    except _Lost:
        logger.warning("transfer.lost", transfer=str(transfer.pk))
        return
    except (DatabaseError, InterfaceError):
        logger.exception("transfer.broke_off", transfer=str(transfer.pk))
        return  # it stays claimed, and is taken again when it has been silent; the others go on
    except AiopsError as error:
        ending = {"state": Transfer.State.FAILED, "problems": [_whole(error.detail)], "file": None}
    except Exception as error:  # one broken file must not stop the others
        logger.exception("transfer.broke", transfer=str(transfer.pk))
        text = f"It broke off ({type(error).__name__}): the log of worker-upkeep says why."
        ending = {"state": Transfer.State.FAILED, "problems": [_whole(text)], "file": None}
    try:
        _write(transfer, **ending, finished_at=Now())
    except _Lost:
        logger.warning("transfer.lost", transfer=str(transfer.pk))


def _exported(transfer: Transfer, progress: Any) -> Mapping[str, Any]:
    of = table(transfer.table)
    if not of.may(transfer.user, "view"):
        return {"state": Transfer.State.FAILED, "problems": [_whole("You may not see these rows any more.")]}
    file, count = export(of, transfer.chosen, progress)
    return {"state": Transfer.State.DONE, "file": file, "outcome": {"exported": count}}


def _imported(transfer: Transfer, progress: Any) -> Mapping[str, Any]:
    result = import_(table(transfer.table), bytes(transfer.file or b""), transfer.user, transfer.reason, progress)
    if result.problems:
        return {
            "state": Transfer.State.FAILED,
            "problems": sorted(result.problems, key=lambda one: one["row"]),
            "outcome": dict(result.outcome),
            "file": None,
        }
    return {"state": Transfer.State.DONE, "outcome": dict(result.outcome), "file": None}


def _write(transfer: Transfer, **fields: Any) -> None:
    """Write to the row while it is this worker's; raises _Lost."""
    if not Transfer.objects.filter(pk=transfer.pk, attempt=transfer.attempt).update(touched_at=Now(), **fields):
        raise _Lost


def _whole(text: str) -> dict[str, Any]:
    return {"row": 0, "column": "", "text": text}
