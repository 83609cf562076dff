"""Records changes of rows by django-auditlog: with the actor and the reason of the change that is under way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from auditlog.context import disable_auditlog
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.conf import settings as django_settings
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.db.models.signals import pre_save

from aiops.apps import features, load
from aiops.errors import Invalid
from aiops.people.models import User

MASK = "********"
MAX_REASON_CHARACTERS = 500
REASON = "reason"
NEEDED = "Say why you change it: AIOPS_REQUIRE_CHANGE_REASON is set here."
TIMES = ["created_at", "updated_at"]


@dataclass(frozen=True, slots=True)
class _Change:
    actor: User
    reason: str


_under_way: ContextVar[_Change | None] = ContextVar("change", default=None)


@contextlib.contextmanager
def by(actor: User, *, reason: str = "") -> Iterator[None]:
    """Record changes of rows as this person's, with the reason; raises Invalid where one is required or too long."""
    if len(reason) > MAX_REASON_CHARACTERS:
        raise Invalid("The reason is too long.", errors={REASON: [f"At most {MAX_REASON_CHARACTERS} characters."]})
    if not reason and django_settings.SETTINGS.require_change_reason:
        raise Invalid("A reason is missing.", errors={REASON: [NEEDED]}, code="reason_required")
    token = _under_way.set(_Change(actor, reason))
    try:
        yield
    finally:
        _under_way.reset(token)


@contextlib.contextmanager
def unrecorded() -> Iterator[None]:
    """Record no change: for rows that the program itself keeps."""
    with disable_auditlog():
        yield


def register_all() -> None:
    """Register every feature's logged tables; called when Django starts."""
    for feature in features():
        for dotted, logged in feature.logged.items():
            auditlog.register(
                load(dotted),
                exclude_fields=[*TIMES, *logged.left_out],
                mask_fields=list(logged.masked),
                mask_callable=f"{__name__}.masked",
            )
    pre_save.connect(_complete, sender=LogEntry, dispatch_uid="change-log")


def of(row: Model) -> QuerySet[LogEntry]:
    """Return the log of one row, the latest first."""
    kind = ContentType.objects.get_for_model(row)
    found: QuerySet[LogEntry] = LogEntry.objects.filter(content_type=kind, object_pk=str(row.pk))
    return found.select_related("actor").order_by("-id")


def note(row: Model, **changes: tuple[Any, Any]) -> None:
    """Record a change that no column of the row shows, such as what it refers to."""
    LogEntry.objects.log_create(
        row,
        action=LogEntry.Action.UPDATE,
        changes={name: [str(before), str(after)] for name, (before, after) in changes.items()},
    )


def masked(value: str) -> str:
    """Return what is recorded of a value that nobody may read."""
    return MASK if value else ""


def _complete(instance: LogEntry, **_: Any) -> None:
    change = _under_way.get()
    if change is not None and instance.actor_id is None:
        instance.actor = change.actor
        instance.actor_email = change.actor.email
        instance.additional_data = {REASON: change.reason} if change.reason else None
