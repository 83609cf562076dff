"""Stores attachments, and sends each with one message."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from aiops.attachments.limits import MAX_UNSENT
from aiops.attachments.models import Attachment
from aiops.errors import Conflict, NotFound, TooMany
from aiops.locks import lock
from aiops.people import accounts
from aiops.people.models import User


def store(user: User, *, name: str, text: str) -> Attachment:
    """Store a file; raises TooMany or Unauthenticated. Must run inside a transaction."""
    accounts.lock_active(user.pk)
    if Attachment.objects.filter(user=user, message=None).count() >= MAX_UNSENT:
        raise TooMany(
            f"You have {MAX_UNSENT} attachments that were sent with no message, the most one person may have: "
            "send them, or wait until they are removed, a day after they came.",
            code="too_many_attachments",
        )
    return Attachment.objects.create(user=user, name=name, text=text, bytes=len(text.encode()))


def send(user: User, ids: Collection[UUID], *, message_id: UUID) -> list[dict[str, Any]]:
    """Send these with a message, in this order; return {id, name, bytes} of each.

    Raises NotFound, alike for those of others and those that do not exist, or Conflict for those that were sent before.
    Must run inside a transaction that holds the account's lock.
    """
    mine = Attachment.objects.filter(pk__in=ids, user=user)
    lock(mine)
    rows = {row.pk: row for row in mine.only("name", "bytes", "message_id")}
    if missing := [str(one) for one in ids if one not in rows]:
        raise NotFound(f"There is no such attachment: {', '.join(missing)}.")
    if sent := [str(one) for one in ids if rows[one].message_id is not None]:
        raise Conflict(
            f"Sent with another message before: {', '.join(sent)}. Upload the file again.", code="attachment_sent"
        )
    mine.update(message_id=message_id)
    return [_described(rows[one]) for one in ids]


def send_again(user: User, *, earlier_id: UUID, message_id: UUID) -> list[dict[str, Any]]:
    """Send copies of an earlier message's attachments with a message that takes its place; return like ``send``."""
    copies = [
        Attachment(user=user, message_id=message_id, name=row.name, text=row.text, bytes=row.bytes)
        for row in Attachment.objects.filter(message=earlier_id).order_by("pk")
    ]
    return [_described(row) for row in Attachment.objects.bulk_create(copies)]


def _described(row: Attachment) -> dict[str, Any]:
    return {"id": str(row.pk), "name": row.name, "bytes": row.bytes}
