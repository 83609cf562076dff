"""Tells a schedule's owner that it failed, for the first time in a row, and that it was paused."""

from __future__ import annotations

from aiops import settings
from aiops.schedules.models import Schedule
from aiops.webhooks import outbox
from aiops.webhooks.models import Delivery
from aiops.webhooks.outbox import Notice

MAX_CHARACTERS = 1_000


def failed(schedule: Schedule, reason: str) -> None:
    """Write the notice of a failure; must run in its transaction."""
    _write(schedule, "failed", reason)


def paused(schedule: Schedule) -> None:
    """Write the notice of a pause that its owner did not ask for; must run in its transaction."""
    _write(schedule, "paused", schedule.paused_because)


def _write(schedule: Schedule, what: str, reason: str) -> None:
    form = schedule.notify_by
    to = schedule.user.email if form == Delivery.Form.MAIL else schedule.notify_url
    if not form or not to:
        return
    path = f"/schedules/{schedule.pk}/"
    data = {
        "id": str(schedule.pk),
        "name": schedule.name,
        "reason": reason[:MAX_CHARACTERS],
        "failures": schedule.failures,
        "link": f"/api{path}",
    }
    said = f"Schedule {schedule.name!r} {'has failed' if what == 'failed' else 'is paused'}"
    link = f"{settings.current().public_url.rstrip('/')}{path}"
    notice = Notice(f"schedule.{what}", f"aiops: {said}", reason[:MAX_CHARACTERS] or said, link, data)
    outbox.notify(notice, user_id=schedule.user_id, form=form, to=to)
