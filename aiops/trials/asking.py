"""Asks a worker to try something and waits for its answer."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from aiops import dispatch
from aiops.errors import NotFound, TooMany, Unavailable
from aiops.people.models import User
from aiops.trials.models import Trial

JOB = "trials"
MOST = 4
"""Trials that wait at once: each holds a thread of a web process."""
WAIT_S = 70.0
"""Longest handshake and call, and the time until a worker takes it."""
LOOK_S = 0.1
ANSWER, BROKE = "answer", "broke"
"""Keys of a trial's answer: what the feature answered, or the name of the error that kept it from that."""
LIFE = timedelta(minutes=5)
"""Of rows whose asker has gone."""


def ask(user: User, kind: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a worker's answer; raises TooMany, or Unavailable when none answers in time or it could not be tried."""
    Trial.objects.filter(created_at__lt=Now() - LIFE).delete()
    if Trial.objects.filter(answer__isnull=True).count() >= MOST:
        raise TooMany(f"{MOST} trials are under way: try again when one has ended.", code="too_many_trials")
    trial = Trial.objects.create(user=user, kind=kind, arguments=arguments)
    try:
        dispatch.upkeep(JOB, request_id=str(uuid.uuid4()))
        answer = _answer(trial)
    finally:
        Trial.objects.filter(pk=trial.pk).delete()
    if ANSWER not in answer:
        raise Unavailable(f"It could not be tried ({answer.get(BROKE)}): the log of worker-upkeep says why.")
    tried: dict[str, Any] = answer[ANSWER]
    return tried


def _answer(trial: Trial) -> dict[str, Any]:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        found = Trial.objects.filter(pk=trial.pk).values_list("answer", flat=True)[:1]
        if not found:
            raise NotFound("The trial was removed meanwhile.")
        answer: dict[str, Any] | None = found[0]
        if answer is not None:
            return answer
        time.sleep(LOOK_S)
    raise Unavailable(f"No worker answered within {WAIT_S:g} s: see whether worker-upkeep is running.")


def take(most: int) -> list[Trial]:
    """Take the oldest trials, each for one worker."""
    waiting = Trial.objects.filter(taken_at=None, answer__isnull=True).order_by("pk")
    taken: list[Trial] = []
    for pk in waiting.values_list("pk", flat=True)[:most]:
        with transaction.atomic():
            if Trial.objects.filter(pk=pk, taken_at=None).update(taken_at=Now()):
                taken += Trial.objects.filter(pk=pk)
    return taken
