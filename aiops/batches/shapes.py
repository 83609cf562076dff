"""Request and response serializers of batches and items."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from aiops import schemas, untrusted
from aiops.batches.models import Batch, Item
from aiops.batches.reading import source
from aiops.batches.reading.lines import MAX_SCHEMA_BYTES
from aiops.web.api.parsing import (
    NameField,
    NumberField,
    SchemaField,
    Strict,
    TextField,
    TruthField,
    WebhookField,
    WholeNumberField,
)

SETTINGS = django_settings.SETTINGS
DAY_S = 86_400


class ColumnsIn(Strict):
    """Which columns of a CSV file are used as what, besides as data of the template."""

    custom_id = NameField(required=False, max_length=200)
    model = NameField(required=False, max_length=200)


class BatchOptions(Strict):
    """The fields of a batch except its items."""

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
    columns = ColumnsIn(required=False, default=dict)
    ignore_model = TruthField(required=False, default=False, help_text="send all lines to the chosen model")
    allow_changes = TruthField(
        required=False,
        default=False,
        help_text="offer tools that change something, too; people are asked about each such call",
    )
    encoding = NameField(required=False, default="", allow_blank=True, max_length=32, help_text="such as windows-1252")

    def validate_encoding(self, value: str) -> str:
        """Refuse encodings that no editor or spreadsheet writes."""
        if value and not source.canonical(value):
            raise serializers.ValidationError(f"Not an encoding that can be read: {', '.join(source.NAMED[:12])}, …")
        return value


class BatchIn(BatchOptions):
    """A batch with its items: objects with ``prompt`` or ``messages``, or with the columns of the template."""

    items = serializers.ListField(child=serializers.DictField(), min_length=1, max_length=SETTINGS.max_batch_items)


class BatchUpload(serializers.Serializer[Any]):
    """A batch as a form: the file, and the options as JSON."""

    file = serializers.FileField(
        help_text="JSONL, a JSON list, or CSV with a header (by its name: .jsonl, .json, .csv)"
    )
    options = serializers.JSONField(required=False, help_text="the other fields of the batch")


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object."""


class BatchOut(serializers.ModelSerializer[Batch]):
    """A batch, its progress, and links to its results."""

    response_schema = ObjectField(read_only=True, allow_null=True)
    columns = ObjectField(read_only=True)
    counts = serializers.SerializerMethodField()
    usage = serializers.SerializerMethodField()
    timings = serializers.SerializerMethodField()
    error = ObjectField(read_only=True, allow_null=True)
    links = serializers.SerializerMethodField()

    class Meta:
        model = Batch
        fields = [
            "id",
            "name",
            "state",
            "format",
            "policy",
            "template",
            "columns",
            "ignore_model",
            "allow_changes",
            "encoding",
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

    @extend_schema_field(
        inline_serializer("Counts", {name: serializers.IntegerField() for name in ("total", *Item.State.values)})
    )
    def get_counts(self, batch: Batch) -> dict[str, int]:
        """Number of items in each state."""
        ended = {name: getattr(batch, name) for name in ("succeeded", "failed", "cancelled", "expired", "invalid")}
        running = getattr(batch, "running_items", None)  # the view's query has it; other callers do not
        if running is None:
            running = Item.objects.filter(batch=batch, state=Item.State.RUNNING).count()
        pending = max(batch.total - batch.settled - running, 0)
        return {"total": batch.total, "pending": pending, "running": running, **ended}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": ["integer", "string", "null"]}})
    def get_usage(self, batch: Batch) -> dict[str, int | str | None]:
        """Tokens of all attempts so far, and their cost; null when no price is known."""
        cost = None if batch.cost is None else str(batch.cost)
        return {"input_tokens": batch.input_tokens, "output_tokens": batch.output_tokens, "cost": cost}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": ["string", "null"]}})
    def get_timings(self, batch: Batch) -> dict[str, str | None]:
        """When each state began, and when its completion window ends."""
        names = ("created", "in_progress", "finalizing", "cancelling", "ended", "expires")
        times = {name: getattr(batch, f"{name}_at") for name in names}
        return {name: at and at.isoformat().replace("+00:00", "Z") for name, at in times.items()}

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_links(self, batch: Batch) -> dict[str, str]:
        """Paths of related resources and actions."""
        here = f"/api/batches/{batch.pk}/"
        return {"self": here, **{name: f"{here}{name}/" for name in ("events", "items", "results", "errors", "cancel")}}


class ItemOut(serializers.Serializer[Item]):
    """One item: its state, and its answer when it has one."""

    number = serializers.IntegerField()
    custom_id = serializers.CharField()
    state = serializers.ChoiceField(Item.State.choices)
    answer = serializers.SerializerMethodField()
    value = serializers.SerializerMethodField("read_value")
    error = serializers.SerializerMethodField()
    usage = ObjectField(source="run.usage", read_only=True, allow_null=True)
    run = serializers.UUIDField(source="run_id", read_only=True, allow_null=True)
    tries = serializers.IntegerField()

    def get_answer(self, item: Item) -> str | None:
        """The whole answer of an item that succeeded."""
        return item.run.answer if item.run is not None and item.state == Item.State.SUCCEEDED else None

    @extend_schema_field({})
    def read_value(self, item: Item) -> Any:
        """The JSON value of the answer when its batch has a schema; null when an older version accepted a mismatch."""
        if item.run is None or not item.run.options.get("answer_schema"):
            return None
        try:
            return schemas.read(self.get_answer(item) or "null")
        except ValueError:  # one bad answer must not hide the other items
            return None

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_error(self, item: Item) -> dict[str, Any] | None:
        """Why it failed or its line is invalid; an older version stored characters that cannot be sent."""
        error: dict[str, Any] | None = untrusted.clean_json(item.error)
        return error

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
    def get_usage(self, item: Item) -> dict[str, Any] | None:
        """Return model and tokens of its last try."""
        return item.run.usage if item.run is not None else None

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_run(self, item: Item) -> str | None:
        """Return its last try."""
        return str(item.run_id) if item.run_id else None


class AgainOut(serializers.Serializer[Any]):
    """A batch whose items run again, and how many."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(Batch.State.choices)
    items = serializers.IntegerField()
