"""The messages that a run adds to memory: those that it lacks and the new one, with what was attached to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage

from aiops.agent import attachments
from aiops.agent.attachments import Attached
from aiops.attachments.models import Attachment
from aiops.conversations.transcript import PastMessage
from aiops.events.redaction import Redactor
from aiops.llm.values import QUESTION_CHARACTERS
from aiops.runs.work.context import RunContext

CUTS = "attachments_cut"
"""Key, in a message, of what was left out of its attachments: a sentence for each."""


async def for_model(past: Sequence[PastMessage], asked: PastMessage, context: RunContext) -> list[AnyMessage]:
    """Return the messages as the model gets them; those without attachments cost no query.

    The new message's attachments have all the room that attachments may take; those of earlier messages share as much,
    the latest first, and for the others a note says that they are not shown again.
    """
    room = attachments.room(context.limits.context_tokens)
    rooms = {**_rooms(past, room), **({asked.id: room} if asked.attachments else {})}
    texts: Mapping[str, Attached] = {}
    if rooms:
        texts = await context.in_thread(_texts, list(rooms), context.redactor)
    return [_written(one, texts, rooms.get(one.id, 0), context.redactor) for one in (*past, asked)]


def cuts(message: AnyMessage) -> list[str]:
    """Return what was left out of a message's attachments, a sentence for each, for its reader."""
    found: list[str] = message.additional_kwargs.get(CUTS, [])
    return found


def _rooms(past: Sequence[PastMessage], room: int) -> dict[str, int]:
    """Return how many bytes of its attachments each message may show, by id."""
    rooms: dict[str, int] = {}
    for one in reversed(past):
        share = min(sum(attached["bytes"] for attached in one.attachments), room)
        if share:
            rooms[one.id] = share
            room -= share
    return rooms


def _texts(message_ids: Collection[str], redactor: Redactor) -> dict[str, Attached]:
    """Return the attachments of messages by id, without secrets; if cut first, half a secret could be left."""
    rows = Attachment.objects.filter(message__in=[UUID(one) for one in message_ids]).values_list("pk", "name", "text")
    return {str(pk): Attached(redactor.redact(name), redactor.redact(text)) for pk, name, text in rows}


def _written(one: PastMessage, texts: Mapping[str, Attached], room: int, redactor: Redactor) -> AnyMessage:
    if one.role != "user":
        return AIMessage(one.text, id=one.id)
    if not one.attachments:
        return HumanMessage(one.text, id=one.id)
    more: dict[str, Any] = {QUESTION_CHARACTERS: len(one.text)}
    attached = [texts[shown["id"]] for shown in one.attachments if shown["id"] in texts]
    if not attached:
        text = attachments.left_out(one.text, [redactor.redact(shown["name"]) for shown in one.attachments])
        return HumanMessage(text, id=one.id, additional_kwargs=more)
    text, cut = attachments.with_attached(one.text, attached, max_bytes=room)
    if cut:
        more[CUTS] = [str(each) for each in cut]
    return HumanMessage(text, id=one.id, additional_kwargs=more)
