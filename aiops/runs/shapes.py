"""The JSON of messages sent and of runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.attachments.limits import MAX_PER_MESSAGE
from aiops.events import stream
from aiops.runs import listing, sources, states, waiting
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web.api.parsing import (
    IdField,
    NameField,
    NumberField,
    Strict,
    TextField,
    TruthField,
    WebhookField,
    WholeNumberField,
)

SETTINGS = django_settings.SETTINGS
ON_BUSY = ["enqueue", "reject", "interrupt", "rollback"]


class ChatIn(Strict):
    """A new message."""

    message = TextField(max_bytes=SETTINGS.max_message_bytes)
    conversation = IdField(required=False)
    attachments = serializers.ListField(child=IdField(), required=False, max_length=MAX_PER_MESSAGE)
    model = NameField(required=False, max_length=200)
    provider = NameField(required=False, max_length=100)
    temperature = NumberField(required=False, min_value=0, max_value=2)
    force_advanced = TruthField(required=False, help_text="the advanced model of the one that would answer")
    on_busy = serializers.ChoiceField(ON_BUSY, required=False)
    deadline_s = WholeNumberField(required=False, min_value=1, max_value=3_600)
    webhook = WebhookField(required=False)

    def validate_attachments(self, ids: list[UUID]) -> list[UUID]:
        """Refuse an id that is there twice."""
        if len(set(ids)) < len(ids):
            raise serializers.ValidationError("Name each once.")
        return ids


class EditIn(Strict):
    """What is asked instead."""

    message = TextField(max_bytes=SETTINGS.max_message_bytes)


class FeedbackIn(Strict):
    """A rating of an answer."""

    value = serializers.ChoiceField(Run.Feedback.choices)
    reason = NameField(max_length=500, required=False, default="", allow_blank=True)


class FeedbackOut(FeedbackIn):
    """The rating that is stored."""

    id = serializers.UUIDField()


class Links(serializers.Serializer[Any]):
    """URLs of a run."""

    self = serializers.CharField()
    events = serializers.CharField()
    cancel = serializers.CharField()


class RunRef(serializers.Serializer[Any]):
    """A new run."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(states.CHOICES)
    links = Links()


class ChatOut(serializers.Serializer[Any]):
    """The accepted message and its run."""

    conversation = serializers.UUIDField()
    message = serializers.UUIDField()
    run = RunRef()


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


@extend_schema_field(NULLABLE_OBJECT)
class StoredObject(serializers.ReadOnlyField):
    """A JSON column, shown as it is stored."""


class RunOut(serializers.Serializer[Run]):
    """A run: ``answer`` when it succeeded, else ``partial``: the text so far or until it failed."""

    id = serializers.UUIDField()
    conversation = serializers.UUIDField(source="conversation_id")
    message = serializers.UUIDField(source="message_id")
    state = serializers.ChoiceField(states.CHOICES)
    answer = serializers.SerializerMethodField()
    partial = serializers.SerializerMethodField()  # type: ignore[assignment]  # DRF keeps a flag of this name
    steps = serializers.SerializerMethodField()
    notices = serializers.SerializerMethodField()
    model = serializers.SerializerMethodField()
    usage = StoredObject()
    timings = serializers.SerializerMethodField()
    attempts = serializers.IntegerField()
    error = StoredObject()
    approval = serializers.SerializerMethodField()

    def get_answer(self, run: Run) -> str | None:
        """Return the whole answer."""
        return run.answer if run.state == State.SUCCEEDED else None

    def get_partial(self, run: Run) -> str | None:
        """Return what was said so far."""
        if run.state == State.SUCCEEDED:
            return None
        if run.state == State.RUNNING and not self.context.get("brief"):
            return stream.partial_answer(str(run.pk))
        return run.answer

    @extend_schema_field({"type": "array", "items": STEP})
    def get_steps(self, run: Run) -> list[dict[str, Any]]:
        """Return the tool calls."""
        return [{name: step.get(name) for name in STEP["properties"]} for step in run.steps]

    @extend_schema_field({"type": "array", "items": NOTICE})
    def get_notices(self, run: Run) -> list[dict[str, str]]:
        """Return the notices beside the answer, such as missing tool servers."""
        return [{"code": notice["code"], "text": notice["text"]} for notice in run.notices]

    def get_model(self, run: Run) -> str | None:
        """Return provider:name of the model that answered, or the requested model."""
        used = (run.usage or {}).get("model") or run.options.get("model")
        return str(used) if used else None

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

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_approval(self, run: Run) -> str | None:
        """Return the id of the approval that the run waits for."""
        pending = waiting.approval_of(run)
        return str(pending) if pending else None


class RunRow(RunOut):
    """A run in a list: also who asked what, and from where."""

    user = serializers.CharField(source="user_name")
    prompt = serializers.SerializerMethodField(help_text="the first line of the message")
    source = serializers.ChoiceField(sources.CHOICES)  # type: ignore[assignment]  # DRF keeps an attribute of this name

    def get_prompt(self, run: Run) -> str:
        """Return the first line of the message."""
        return listing.prompt_of(run)


class VersionOut(serializers.Serializer[Run]):
    """One version of a question, with its answer; ``is_current`` is the one that the transcript shows."""

    message = serializers.UUIDField(source="message_id")
    text = serializers.CharField(source="message.text")
    run = serializers.UUIDField(source="pk")
    state = serializers.ChoiceField(states.CHOICES)
    answer = serializers.CharField()
    created_at = serializers.DateTimeField(source="queued_at")
    is_current = serializers.SerializerMethodField()

    def get_is_current(self, run: Run) -> bool:
        """Return whether the transcript shows it."""
        return not run.rolled_back


def _ms(begin: datetime | None, end: datetime | None) -> float | None:
    return round((end - begin).total_seconds() * 1e3, 1) if begin and end else None


class CancelIn(Strict):
    """Which runs to cancel: their ids, or a state and perhaps a conversation."""

    ids = serializers.ListField(child=IdField(), required=False, min_length=1, max_length=1_000)
    state = serializers.ChoiceField([state.value for state in states.UNFINISHED], required=False)
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
    state = serializers.ChoiceField(states.CHOICES)


class CancelledOut(serializers.Serializer[Any]):
    """What became of each."""

    runs = StateOut(many=True)
