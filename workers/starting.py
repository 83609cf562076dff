"""Keeps every worker from starting on a database that holds only a part of its rows."""

from __future__ import annotations

from celery.signals import worker_init

from aiops import database


@worker_init.connect(weak=False)
def refuse_unfinished_move(**_: object) -> None:
    """Exit; Celery would only log another error, and start."""
    try:
        database.refuse_unfinished_move()
    except RuntimeError as error:
        raise SystemExit(f"The worker cannot start: {error}") from error
