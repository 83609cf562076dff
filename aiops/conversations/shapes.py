"""The JSON of conversations and their messages."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.conversations.models import Conversation, Message
from aiops.web import markdown
from aiops.web.api.parsing import NameField, Strict, TruthField


class ConversationPatch(Strict):
    """What can be changed of a conversation."""

    title = NameField(max_length=200, required=False)
    pinned = TruthField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a change of nothing."""
        if not attrs:
            raise serializers.ValidationError("Give a title, or whether it is pinned.")
        return attrs


class ShareOut(serializers.Serializer[Any]):
    """The link of a shared conversation."""

    url = serializers.URLField()


class ConversationIn(Strict):
    """A new conversation; without a title it gets the first question as its title."""

    title = NameField(max_length=200, required=False, allow_blank=True, default="")


class ConversationOut(serializers.ModelSerializer[Conversation]):
    """A conversation; ``memory_used_at`` is null when there is no memory of it."""

    class Meta:
        model = Conversation
        fields = ["id", "title", "created_at", "updated_at", "memory_used_at", "pinned"]


ATTACHED = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["id", "name", "bytes"],
        "properties": {
            "id": {"type": "string", "format": "uuid"},
            "name": {"type": "string"},
            "bytes": {"type": "integer"},
        },
    },
}


class MessageOut(serializers.ModelSerializer[Message]):
    """A message; ``html`` is the sanitised rendering of an answer."""

    html = serializers.SerializerMethodField()
    attachments = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = ["id", "position", "role", "text", "html", "attachments", "created_at"]

    def get_html(self, message: Message) -> str | None:
        """Render an answer as HTML, within one budget for all messages of the request."""
        if message.role != Message.Role.ASSISTANT:
            return None
        rendered: markdown.Page = self.context["rendered"]
        return rendered.render(message.text)

    @extend_schema_field(ATTACHED)
    def get_attachments(self, message: Message) -> list[dict[str, Any]]:
        """Return what was sent with it."""
        return message.attachments or []
