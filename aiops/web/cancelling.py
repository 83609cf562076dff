"""Stops runs for their owner: the rows first, then everybody who needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.conf import settings as django_settings

from aiops.conversations import queueing, transitions
from aiops.conversations.models import Run
from aiops.events import stream, types
from aiops.web import background


def cancel(runs: Sequence[Run]) -> dict[str, str]:
    """Ask these runs to stop; return the state each has now. Everybody is told right after, whatever Redis does."""
    background.later(announce, transitions.request_cancel([run.pk for run in runs]))
    states = Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("pk", "state")
    return {str(pk): state for pk, state in states}


def announce(before: dict[str, str]) -> None:
    """Tell watchers of runs that were queued that they are over, and workers of running ones to stop."""
    if not before:
        return
    queued = [run_id for run_id, state in before.items() if state == Run.State.QUEUED]
    cancelled = list(Run.objects.filter(pk__in=queued, state=Run.State.CANCELLED))
    conversations: set[UUID] = {run.conversation_id for run in cancelled}
    ends = {str(run.pk): types.house(str(run.pk), run.fence, 2, types.CANCELLED) for run in cancelled}
    stream.append_now(ends, ttl_s=django_settings.SETTINGS.stream_ttl_s)
    stream.ask_to_stop(run_id for run_id, state in before.items() if state == Run.State.RUNNING)
    for conversation in conversations:
        queueing.send_next(conversation)
