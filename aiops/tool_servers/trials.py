"""Lets a worker try a server or a tool while the asker waits: the rows that both share."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from aiops import dispatch
from aiops.errors import NotFound, TooMany, Unavailable
from aiops.tool_servers.models import MCPServer, Trial

JOB = "tool_trials"
MOST = 4
"""Trials that wait at once: each holds a thread of a web process."""
WAIT_S = 70.0
"""Longest handshake and call, and the time until a worker takes it."""
LOOK_S = 0.1
LIFE = timedelta(minutes=5)
"""Of rows whose asker has gone."""


def ask(trial: Trial) -> dict[str, Any]:
    """Let a worker try it and return its answer; raises TooMany, NotFound, or Unavailable when none answers in time."""
    Trial.objects.filter(created_at__lt=Now() - LIFE).delete()
    if Trial.objects.filter(answer__isnull=True).count() >= MOST:
        raise TooMany(f"{MOST} trials are under way: try again when one has ended.", code="too_many_trials")
    trial.save(force_insert=True)
    try:
        dispatch.upkeep(JOB, request_id=str(uuid.uuid4()))
        return _answer(trial)
    finally:
        Trial.objects.filter(pk=trial.pk).delete()


def _answer(trial: Trial) -> dict[str, Any]:
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        found = Trial.objects.filter(pk=trial.pk).values_list("answer", flat=True)[:1]
        if not found:
            raise NotFound("The tool server was deleted meanwhile.")
        answer: dict[str, Any] | None = found[0]
        if answer is not None:
            return answer
        time.sleep(LOOK_S)
    raise Unavailable(f"No worker answered within {WAIT_S:g} s: see whether worker-upkeep is running.")


def take(most: int) -> list[Trial]:
    """Take the oldest trials, each for one worker."""
    taken: list[Trial] = []
    for pk in (
        Trial.objects.filter(taken_at=None, answer__isnull=True).order_by("pk").values_list("pk", flat=True)[:most]
    ):
        with transaction.atomic():
            if Trial.objects.filter(pk=pk, taken_at=None).update(taken_at=Now()):
                taken += Trial.objects.select_related("server").filter(pk=pk)
    return taken


def server_of(trial: Trial) -> MCPServer:
    """Return the server to try."""
    return trial.server or MCPServer(**trial.fields)
