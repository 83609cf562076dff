"""The runs queue: answer one run."""

from __future__ import annotations

from celery import shared_task

from aiops import dispatch, log
from workers import canary, lifecycle, process

__all__ = ["answer", "canary", "lifecycle"]


@shared_task(name=dispatch.RUN_TASK)
def answer(run_id: str, *, version: int = 1) -> None:
    """Answer a queued run; harmless when it is delivered twice, late, or not ours to have."""
    with log.bind(task=dispatch.RUN_TASK, run=run_id):
        process.present().answer(run_id, version=version)
