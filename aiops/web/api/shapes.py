"""The JSON of conversations, messages, runs and tokens, as ``contracts`` promises it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings as django_settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.conversations.models import Conversation, Message, Run
from aiops.events import stream
from aiops.people.models import ApiToken
from aiops.web import markdown
from aiops.web.api.parsing import IdField, NameField, NumberField, Strict, TextField, WebhookField, WholeNumberField

SETTINGS = django_settings.SETTINGS
ON_BUSY = ["enqueue", "reject", "interrupt", "rollback"]


class ChatIn(Strict):
    """What somebody asks."""

    message = TextField(max_bytes=SETTINGS.max_message_bytes)
    conversation = IdField(required=False)
    model = NameField(required=False, max_length=200)
    provider = NameField(required=False, max_length=100)
    temperature = NumberField(required=False, min_value=0, max_value=2)
    on_busy = serializers.ChoiceField(ON_BUSY, required=False)
    deadline_s = WholeNumberField(required=False, min_value=1, max_value=3_600)
    webhook = WebhookField(required=False)


class Links(serializers.Serializer[Any]):
    """Where to go on."""

    self = serializers.CharField()
    events = serializers.CharField()
    cancel = serializers.CharField()


class RunRef(serializers.Serializer[Any]):
    """A run just made."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Run.State.choices)
    links = Links()


class ChatOut(serializers.Serializer[Any]):
    """What was accepted."""

    conversation = serializers.UUIDField()
    message = serializers.UUIDField()
    run = RunRef()


class TitleIn(Strict):
    """A conversation's title."""

    title = NameField(max_length=200)


class ConversationIn(Strict):
    """A new conversation; without a title the first question becomes it."""

    title = NameField(max_length=200, required=False, default="")


class ConversationOut(serializers.ModelSerializer[Conversation]):
    """A conversation; ``memory_used_at`` is null when the agent remembers nothing of it."""

    class Meta:
        """The fields shown."""

        model = Conversation
        fields = ["id", "title", "created_at", "updated_at", "memory_used_at"]


class MessageOut(serializers.ModelSerializer[Message]):
    """One utterance; ``html`` is the sanitised rendering of an answer."""

    html = serializers.SerializerMethodField()

    class Meta:
        """The fields shown."""

        model = Message
        fields = ["id", "position", "role", "text", "html", "created_at"]

    def get_html(self, message: Message) -> str | None:
        """Render what the assistant said."""
        return markdown.render(message.text) if message.role == Message.Role.ASSISTANT else None


STEP = {
    "type": "object",
    "properties": {
        "call_id": {"type": "string"},
        "server": {"type": "string"},
        "tool": {"type": "string"},
        "arguments": {"type": "object", "additionalProperties": True},
        "status": {"type": "string", "enum": ["running", "ok", "error", "unknown"]},
        "ms": {"type": ["number", "null"]},
        "preview": {"type": "string"},
    },
}
NOTICE = {"type": "object", "properties": {"code": {"type": "string"}, "text": {"type": "string"}}}
NULLABLE_OBJECT = {"type": ["object", "null"], "additionalProperties": True}


class RunOut(serializers.Serializer[Run]):
    """A run: ``answer`` when it succeeded, ``partial`` what was said until now or until it broke."""

    id = serializers.UUIDField()
    conversation = serializers.UUIDField(source="conversation_id")
    message = serializers.UUIDField(source="message_id")
    state = serializers.ChoiceField(Run.State.choices)
    answer = serializers.SerializerMethodField()
    partial = serializers.SerializerMethodField()  # type: ignore[assignment]  # DRF keeps a flag of this name
    steps = serializers.SerializerMethodField()
    notices = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    timings = serializers.SerializerMethodField()
    attempts = serializers.IntegerField()
    error = serializers.SerializerMethodField()
    approval = serializers.SerializerMethodField()

    def get_answer(self, run: Run) -> str | None:
        """Return the whole answer."""
        return run.answer if run.state == Run.State.SUCCEEDED else None

    def get_partial(self, run: Run) -> str | None:
        """Return what was said so far."""
        if run.state == Run.State.SUCCEEDED:
            return None
        if run.state == Run.State.RUNNING and not self.context.get("brief"):
            return stream.said(str(run.pk))
        return run.answer

    @extend_schema_field({"type": "array", "items": STEP})
    def get_steps(self, run: Run) -> list[dict[str, Any]]:
        """Return the tool calls."""
        return [{name: step.get(name) for name in STEP["properties"]} for step in run.steps]

    @extend_schema_field({"type": "array", "items": NOTICE})
    def get_notices(self, run: Run) -> list[dict[str, str]]:
        """Return what the reader was told besides the answer, such as tool servers that were missing."""
        return [{"code": notice["code"], "text": notice["text"]} for notice in run.notices]

    def get_model(self, run: Run) -> str | None:
        """Return provider:name of the model that answered, or what was asked for."""
        used = (run.usage or {}).get("model") or run.options.get("model")
        return str(used) if used else None

    @extend_schema_field(NULLABLE_OBJECT)
    def get_usage(self, run: Run) -> dict[str, Any] | None:
        """Return tokens and cost."""
        return run.usage

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_timings(self, run: Run) -> dict[str, Any]:
        """Return when each thing happened, and the milliseconds between."""
        marks = {
            "queued": run.queued_at,
            "started": run.started_at,
            "first_delta": run.first_delta_at,
            "finished": run.finished_at,
        }
        spans = [("queued", "started"), ("started", "first_delta"), ("started", "finished"), ("queued", "finished")]
        ms = {f"{a}_to_{b}": _ms(marks[a], marks[b]) for a, b in spans}
        return {**{name: at and at.isoformat().replace("+00:00", "Z") for name, at in marks.items()}, "ms": ms}

    @extend_schema_field(NULLABLE_OBJECT)
    def get_error(self, run: Run) -> dict[str, Any] | None:
        """Return why it failed."""
        return run.error

    @extend_schema_field(NULLABLE_OBJECT)
    def get_approval(self, run: Run) -> None:
        """Return the pending decision: no tool asks for one yet."""
        return


def _ms(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds() * 1e3, 1) if begin and end else None


class CancelIn(Strict):
    """Which runs to cancel: their ids, or a state and perhaps a conversation."""

    ids = serializers.ListField(child=IdField(), required=False, min_length=1, max_length=1_000)
    state = serializers.ChoiceField([Run.State.QUEUED, Run.State.RUNNING], required=False)
    conversation = IdField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse both kinds together, and neither."""
        if ("ids" in attrs) == ("state" in attrs):
            raise serializers.ValidationError("Give either ids or a state.")
        if "conversation" in attrs and "state" not in attrs:
            raise serializers.ValidationError({"conversation": ["Goes with a state."]})
        return attrs


class StateOut(serializers.Serializer[Any]):
    """A run and the state it really has."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Run.State.choices)


class CancelledOut(serializers.Serializer[Any]):
    """What became of each."""

    runs = StateOut(many=True)


class TokenIn(Strict):
    """A new token."""

    name = NameField(max_length=100)
    scope = serializers.ChoiceField(ApiToken.Scope.choices, required=False, default=ApiToken.Scope.FULL)
    expires_in_days = WholeNumberField(required=False, min_value=1, max_value=3_650)


class TokenOut(serializers.ModelSerializer[ApiToken]):
    """A token without its text."""

    class Meta:
        """The fields shown."""

        model = ApiToken
        fields = ["id", "name", "scope", "created_at", "expires_at", "last_used_at"]


class NewTokenOut(TokenOut):
    """A token with its text, shown this once."""

    token = serializers.CharField()

    class Meta(TokenOut.Meta):
        """The fields shown."""

        fields = [*TokenOut.Meta.fields, "token"]
