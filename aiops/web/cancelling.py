"""Stops runs for their owner: the rows first, then everybody who needs to know."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings as django_settings

from aiops.conversations import sending, transitions
from aiops.conversations.models import Run
from aiops.web import background


def cancel(runs: Sequence[Run]) -> dict[str, str]:
    """Ask these runs to stop; return the state each has now."""
    announce(transitions.request_cancel([run.pk for run in runs]))
    states = Run.objects.filter(pk__in=[run.pk for run in runs]).values_list("pk", "state")
    return {str(pk): state for pk, state in states}


def announce(before: dict[str, str]) -> None:
    """Tell everybody right after the answer, whatever Redis does."""
    background.later(sending.announce_stop, before, ttl_s=django_settings.SETTINGS.stream_ttl_s)
