"""The runs queue: answer one run."""

from __future__ import annotations

from celery import shared_task

from aiops import dispatch, log
from workers import about, alive, canary, ending, lifecycle, naming, starting

__all__ = ["about", "alive", "answer", "canary", "ending", "lifecycle", "naming", "starting"]


@shared_task(name=dispatch.RUN_TASK)
def answer(run_id: str, *, version: int = 1) -> None:
    """Answer a queued run; a duplicate, late or outdated delivery changes nothing."""
    with log.bind(task=dispatch.RUN_TASK, run=run_id):
        lifecycle.present().answer(run_id, version=version)
