"""Stops runs at their owner's request: the rows first, then viewers and workers."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings as django_settings
from django.db import transaction
from django.db.models import Q

from aiops import background, dispatch
from aiops.approvals.values import GRANTED
from aiops.people.models import User
from aiops.runs import send, states, transitions
from aiops.runs.models import Run
from aiops.runs.states import State


def cancel(runs: Sequence[Run]) -> dict[str, str]:
    """Request that these runs stop; return the state of each."""
    announce(transitions.request_cancel([run.pk for run in runs]))
    now = Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("pk", "state")
    return {str(pk): state for pk, state in now}


def leave(user: User) -> None:
    """Stop the runs of a person whose account is deactivated; what they asked other people is closed.

    Items of batches that wait for nobody wait for the account instead.
    """
    asked = Q(state=State.WAITING_APPROVAL) | Q(approvals__items__state__in=GRANTED)
    mine = Run.objects.filter(Q(queue=dispatch.RUNS_QUEUE) | asked, user=user.pk, state__in=states.UNFINISHED)
    stopped = transitions.request_cancel(list(mine.values_list("pk", flat=True).distinct()))
    transaction.on_commit(lambda: announce(stopped))


def announce(before: dict[str, str]) -> None:
    """Notify viewers and workers in the background, so that a slow Redis does not delay the response."""
    background.run_later(send.announce_stop, before, ttl_s=django_settings.SETTINGS.stream_ttl_s)
