"""The batch queue: validate a batch, answer one of its items, and start the next ones."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import shared_task
from celery.signals import task_postrun
from django.conf import settings as django_settings

from aiops import dispatch, log
from aiops.batches import validation
from aiops.llm import snapshot
from workers import feeder
from workers.runs import answer as answer_run
from workers.runs import canary, ending, lifecycle

__all__ = ["answer_run", "canary", "ending", "lifecycle", "validate"]


@task_postrun.connect(sender=answer_run, weak=False)
def feed(**_: Any) -> None:
    """Update the batch whose run has ended, and start its next items."""
    feeder.wake()


@shared_task(name=dispatch.VALIDATE_TASK)
def validate(batch_id: str) -> None:
    """Validate a batch's file and start the batch; a second delivery changes nothing."""
    with log.bind(task=dispatch.VALIDATE_TASK, batch=batch_id):
        settings = django_settings.SETTINGS
        validation.validate(batch_id, settings, check_options=partial(snapshot.problem_with, settings=settings))
        feeder.wake()
