"""Records changes of rows by django-auditlog: with the actor and the reason of the change that is under way.

Each entry of the change log has a row in the audit log, which is written at the end of the transaction: its lock comes
after all others (``aiops.locks``).
"""

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
from django.db import transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import post_save, pre_save

from aiops.apps import features, load
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.recording import Entry, record_all
from aiops.errors import Invalid
from aiops.events.redaction import Redactor
from aiops.people.models import User

MASK = "********"
MAX_REASON_CHARACTERS = 500
REASON = "reason"
NEEDED = "Say why you change it: AIOPS_REQUIRE_CHANGE_REASON is set here."
TIMES = ["created_at", "updated_at"]
MAX_AUDITED_CHARACTERS = 200
"""Of a value in the audit log; the change log has it whole."""
MAX_REDACTED_CHARACTERS = 2_000
"""Of a value that is looked through for secrets before it is cut: a half of one would not be found."""
NOTHING = "None"
"""As django-auditlog writes that there is no value."""
ACTIONS = {
    LogEntry.Action.CREATE: Action.CONFIGURATION_CREATED,
    LogEntry.Action.UPDATE: Action.CONFIGURATION_CHANGED,
    LogEntry.Action.DELETE: Action.CONFIGURATION_DELETED,
}


@dataclass(frozen=True, slots=True)
class _Change:
    actor: User
    reason: str


_under_way: ContextVar[_Change | None] = ContextVar("change", default=None)
_entries: ContextVar[list[int] | None] = ContextVar("entries", default=None)
"""Ids of the entries whose rows in the audit log are still to be written."""


@contextlib.contextmanager
def by(actor: User, *, reason: str = "") -> Iterator[None]:
    """Record changes of rows as this person's, with the reason, in one transaction.

    Raises Invalid where a reason is required or too long.
    """
    if len(reason) > MAX_REASON_CHARACTERS:
        raise Invalid("The reason is too long.", errors={REASON: [f"At most {MAX_REASON_CHARACTERS} characters."]})
    if not reason and django_settings.SETTINGS.require_change_reason:
        raise Invalid("A reason is missing.", errors={REASON: [NEEDED]}, code="reason_required")
    token = _under_way.set(_Change(actor, reason))
    try:
        with together():
            yield
    finally:
        _under_way.reset(token)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Make changes in one transaction, which writes their rows in the audit log last; may be nested."""
    if _entries.get() is not None:
        yield
        return
    with transaction.atomic():
        entries: list[int] = []
        token = _entries.set(entries)
        try:
            yield
        finally:
            _entries.reset(token)
        _audit(entries)


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
    post_save.connect(_collect, sender=LogEntry, dispatch_uid="audit-log")


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


def _collect(instance: LogEntry, created: bool, **_: Any) -> None:
    if not created:
        return
    entries = _entries.get()
    if entries is not None:
        entries.append(instance.pk)
        return
    with transaction.atomic():  # the program's own change: it is no part of a longer one
        _audit([instance.pk])


def _audit(entries: list[int]) -> None:
    """Write the rows of these entries; of those that were rolled back meanwhile there is nothing to write."""
    kept = LogEntry.objects.filter(pk__in=entries, action__in=ACTIONS).select_related("actor", "content_type")
    if found := list(kept.order_by("pk")):
        redactor = Redactor.from_settings(django_settings.SETTINGS)
        record_all([_entry(one, redactor) for one in found])


def _entry(entry: LogEntry, redactor: Redactor) -> Entry:
    shown = {
        name: [_shown(one, redactor) for one in values]
        for name, values in (entry.changes or {}).items()
        if isinstance(values, list | tuple)
    }
    if entry.action != LogEntry.Action.UPDATE:  # of a row as a whole: what it has, but for its id and what refers to it
        at = 1 if entry.action == LogEntry.Action.CREATE else 0
        shown = {
            name: [values[0] * (not at), values[1] * at]
            for name, values in shown.items()
            if values[at] and name != "id" and not values[at].endswith(".None")
        }
    details = {"id": entry.object_pk, "changes": shown, **(entry.additional_data or {})}
    return Entry(
        ACTIONS[entry.action],
        entry.actor.username if entry.actor else SYSTEM,
        f"{entry.content_type.model}:{entry.object_repr}",
        entry.actor_id,
        details,
    )


def _shown(value: Any, redactor: Redactor) -> str:
    text = "" if value in (None, NOTHING) else redactor.redact(str(value)[:MAX_REDACTED_CHARACTERS])
    return text if len(text) <= MAX_AUDITED_CHARACTERS else text[: MAX_AUDITED_CHARACTERS - 1] + "…"
