"""The JSON of batches and their items."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops import schemas
from aiops.batches.models import Batch, Item
from aiops.web.api.parsing import NameField, NumberField, SchemaField, Strict, TextField, WebhookField, WholeNumberField

SETTINGS = django_settings.SETTINGS
DAY_S = 86_400
MAX_SCHEMA_BYTES = 16_384


class BatchOptions(Strict):
    """What is asked of a batch besides its lines."""

    name = NameField(required=False, default="", allow_blank=True, max_length=200)
    template = TextField(required=False, default="", allow_blank=True, max_bytes=SETTINGS.max_message_bytes)
    policy = serializers.ChoiceField(Batch.Policy.choices, required=False, default=Batch.Policy.ALL_OR_NOTHING)
    response_schema = SchemaField(required=False, max_bytes=MAX_SCHEMA_BYTES)
    model = NameField(required=False, max_length=200)
    provider = NameField(required=False, max_length=100)
    temperature = NumberField(required=False, min_value=0, max_value=2)
    deadline_s = WholeNumberField(required=False, min_value=1, max_value=3_600)
    webhook = WebhookField(required=False, default="")
    max_concurrency = WholeNumberField(required=False, default=SETTINGS.batch_concurrency, min_value=1, max_value=1_000)
    completion_window_s = WholeNumberField(required=False, default=DAY_S, min_value=60, max_value=30 * DAY_S)


class BatchIn(BatchOptions):
    """A batch whose lines come with it, as objects with ``prompt`` or ``messages``, or columns of the template."""

    items = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=SETTINGS.max_batch_items)


class BatchUpload(serializers.Serializer[Any]):
    """A batch as a form: the file, and the options as JSON."""

    file = serializers.FileField(
        help_text="JSONL, a JSON list, or CSV with a header (by its name: .jsonl, .json, .csv)"
    )
    options = serializers.JSONField(required=False, help_text="what else is asked of the batch")


class Counts(serializers.Serializer[Any]):
    """How many items are in each state."""

    total = serializers.IntegerField()
    pending = serializers.IntegerField()
    running = serializers.IntegerField()
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    expired = serializers.IntegerField()
    invalid = serializers.IntegerField()


class BatchOut(serializers.ModelSerializer[Batch]):
    """A batch, how far it is, and where to go on."""

    response_schema = serializers.SerializerMethodField()
    counts = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    timings = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        """The fields shown."""

        model = Batch
        fields = [
            "id",
            "name",
            "state",
            "format",
            "policy",
            "template",
            "response_schema",
            "webhook",
            "defaults",
            "max_concurrency",
            "completion_window_s",
            "counts",
            "usage",
            "timings",
            "error",
            "links",
        ]

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_response_schema(self, batch: Batch) -> dict[str, Any] | None:
        """Return what every answer must fit."""
        return batch.response_schema

    @extend_schema_field(Counts)
    def get_counts(self, batch: Batch) -> dict[str, int]:
        """Return how many items are in each state."""
        ended = {name: getattr(batch, name) for name in ("succeeded", "failed", "cancelled", "expired", "invalid")}
        running = Item.objects.filter(batch=batch, state=Item.State.RUNNING).count()
        pending = max(batch.total - batch.settled - running, 0)
        return {"total": batch.total, "pending": pending, "running": running, **ended}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "integer"}})
    def get_usage(self, batch: Batch) -> dict[str, int]:
        """Return the tokens of all tries so far."""
        return {"input_tokens": batch.input_tokens, "output_tokens": batch.output_tokens}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "null"]}})
    def get_timings(self, batch: Batch) -> dict[str, str | None]:
        """Return when each state began, and when its window closes."""
        names = ("created", "in_progress", "finalizing", "cancelling", "ended", "expires")
        times = {name: getattr(batch, f"{name}_at") for name in names}
        return {name: at and at.isoformat().replace("+00:00", "Z") for name, at in times.items()}

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_error(self, batch: Batch) -> dict[str, Any] | None:
        """Return why the whole batch failed."""
        return batch.error

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_links(self, batch: Batch) -> dict[str, str]:
        """Return where to go on."""
        here = f"/api/batches/{batch.pk}/"
        return {"self": here, **{name: f"{here}{name}/" for name in ("events", "items", "results", "errors", "cancel")}}


class ItemOut(serializers.Serializer[Item]):
    """One line: its state, and its answer when it has one."""

    number = serializers.IntegerField()
    custom_id = serializers.CharField()
    state = serializers.ChoiceField(Item.State.choices)
    answer = serializers.SerializerMethodField()
    value = serializers.SerializerMethodField("read_value")
    error = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    run = serializers.SerializerMethodField()
    tries = serializers.IntegerField()

    def get_answer(self, item: Item) -> str | None:
        """Return the whole answer of an item that succeeded."""
        return item.run.answer if item.run is not None and item.state == Item.State.SUCCEEDED else None

    @extend_schema_field({})
    def read_value(self, item: Item) -> Any:
        """Return the JSON value of an answer whose batch has a schema."""
        asked = item.run is not None and item.run.options.get("answer_schema")
        return schemas.read(self.get_answer(item) or "null") if asked else None

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_error(self, item: Item) -> dict[str, Any] | None:
        """Return why it failed, or why its line is none."""
        return item.error

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_usage(self, item: Item) -> dict[str, Any] | None:
        """Return model and tokens of its last try."""
        return item.run.usage if item.run is not None else None

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_run(self, item: Item) -> str | None:
        """Return its last try."""
        return str(item.run_id) if item.run_id else None


class AgainOut(serializers.Serializer[Any]):
    """How many items run once more."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Batch.State.choices)
    items = serializers.IntegerField()
