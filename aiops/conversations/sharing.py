"""Links under which all who are signed in may read a conversation as it was when the link was made."""

from __future__ import annotations

import secrets

from django.db.models import F

from aiops.conversations.models import Conversation
from aiops.errors import NotFound
from aiops.locks import lock
from aiops.people.models import User

KEY_BYTES = 24


def begin(conversation: Conversation) -> str:
    """Share what the conversation holds now, and return the key of its link, which stays the same; raises NotFound."""
    mine = Conversation.objects.filter(pk=conversation.pk)
    mine.filter(share_key="").update(share_key=secrets.token_urlsafe(KEY_BYTES))
    if not mine.update(shared_to=F("last_position")):
        raise NotFound("The conversation was deleted meanwhile.")
    return mine.values_list("share_key", flat=True).get()


def end(conversation: Conversation) -> None:
    """End the link; a later one has another key."""
    Conversation.objects.filter(pk=conversation.pk).update(share_key="", shared_to=0)


def end_all(user: User) -> None:
    """End the links to a person's conversations."""
    shared = Conversation.objects.filter(user=user.pk).exclude(share_key="")
    Conversation.objects.filter(pk__in=lock(shared)).update(share_key="", shared_to=0)


def find(key: str) -> Conversation | None:
    """Return the conversation of a link."""
    return Conversation.objects.filter(share_key=key).exclude(share_key="").select_related("user").first()
