"""The batch queue: validate a batch, answer one of its items, and start the next ones."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from celery.signals import task_postrun
from django.conf import settings as django_settings

from aiops import dispatch, log
from aiops.batches import lifecycle as batches
from workers import feeder
from workers.runs import answer as answer_run
from workers.runs import canary, lifecycle

__all__ = ["answer_run", "canary", "lifecycle", "validate"]


@task_postrun.connect(sender=answer_run, weak=False)
def feed(**_: Any) -> None:
    """Settle the item whose run has ended, and begin the next."""
    feeder.nudge()


@shared_task(name=dispatch.VALIDATE_TASK)
def validate(batch_id: str) -> None:
    """Read a batch's file and let it begin; harmless when it is delivered twice."""
    with log.bind(task=dispatch.VALIDATE_TASK, batch=batch_id):
        batches.validate(batch_id, django_settings.SETTINGS)
        feeder.nudge()
