"""Stops runs at their owner's request: the rows first, then viewers and workers."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings as django_settings

from aiops import background
from aiops.runs import send, transitions
from aiops.runs.models import Run


def cancel(runs: Sequence[Run]) -> dict[str, str]:
    """Request that these runs stop; return the state of each."""
    announce(transitions.request_cancel([run.pk for run in runs]))
    states = Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("pk", "state")
    return {str(pk): state for pk, state in states}


def announce(before: dict[str, str]) -> None:
    """Notify viewers and workers in the background, so that a slow Redis does not delay the response."""
    background.run_later(send.announce_stop, before, ttl_s=django_settings.SETTINGS.stream_ttl_s)
