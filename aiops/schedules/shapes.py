"""Request and response serializers of schedules and firings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings as django_settings
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.batches.shapes import DAY_S, BatchIn, BatchOptions
from aiops.schedules import lifecycle
from aiops.schedules.models import Firing, Schedule
from aiops.schedules.timing import MIN_INTERVAL_S
from aiops.web.api.parsing import NameField, NumberField, Strict, TextField, TruthField, WebhookField, WholeNumberField
from aiops.webhooks.models import Delivery

SETTINGS = django_settings.SETTINGS
YEARS = range(2000, 2201)
"""Years so far from the limits of ``datetime`` that computing with their times cannot overflow."""
YEAR_S = 366 * DAY_S


class MomentField(serializers.DateTimeField):
    """A time with its offset, such as 2027-01-31T07:00:00Z."""

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            raise serializers.ValidationError("Not a time.")
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise serializers.ValidationError("Not a time: write 2027-01-31T07:00:00Z.") from None
        if moment.tzinfo is None:
            raise serializers.ValidationError("The time has no offset: end it with Z or +01:00.")
        if moment.year not in YEARS:
            raise serializers.ValidationError(f"The year must be from {YEARS[0]} to {YEARS[-1]}.")
        return moment.astimezone(UTC)


NOTIFY = {
    "type": ["object", "null"],
    "properties": {"by": {"type": "string", "enum": Delivery.Form.values}, "url": {"type": "string"}},
}


class NotifyIn(Strict):
    """How its owner hears that it failed, for the first time in a row, or was paused."""

    by = serializers.ChoiceField(Delivery.Form.choices, help_text="mail goes to the address of the account")
    url = WebhookField(required=False, help_text="of the webhook, of Slack's incoming webhook, or of ntfy's topic")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Demand an address where one is needed."""
        is_mail = attrs["by"] == Delivery.Form.MAIL
        if is_mail and attrs.get("url"):
            raise serializers.ValidationError({"url": ["A mail goes to the address of your account."]})
        if not is_mail and not attrs.get("url"):
            raise serializers.ValidationError({"url": ["Give the address to post it to."]})
        return attrs


def refuse_changes_of_batch(batch: dict[str, Any]) -> dict[str, Any]:
    """Refuse a batch that says itself whether its tools may change something."""
    if batch.get("allow_changes"):
        raise serializers.ValidationError({"allow_changes": ["Say it of the schedule, not of its batch."]})
    return batch


class ScheduleChange(Strict):
    """The fields of a schedule that can be changed; its times as one of ``every_s``, ``cron`` and ``at``."""

    name = NameField(required=False, max_length=200)
    message = TextField(required=False, max_bytes=SETTINGS.max_message_bytes)
    batch = BatchIn(required=False)
    every_s = WholeNumberField(required=False, min_value=MIN_INTERVAL_S, max_value=YEAR_S)
    cron = NameField(required=False, max_length=100)
    timezone = NameField(required=False, max_length=64)
    at = MomentField(required=False)
    webhook = WebhookField(required=False, allow_null=True, help_text="empty or null removes it")
    notify = NotifyIn(required=False, allow_null=True, help_text="null ends it")
    overlap = serializers.ChoiceField(Schedule.Overlap.choices, required=False)
    catch_up = serializers.ChoiceField(Schedule.CatchUp.choices, required=False)
    jitter_s = WholeNumberField(required=False, min_value=0, max_value=DAY_S)
    ends_at = MomentField(required=False, allow_null=True)
    max_times = WholeNumberField(required=False, min_value=1, max_value=1_000_000, allow_null=True)
    max_failures = WholeNumberField(required=False, min_value=1, max_value=1_000)
    model = NameField(required=False, max_length=200)
    provider = NameField(required=False, max_length=100)
    temperature = NumberField(required=False, min_value=0, max_value=2)
    deadline_s = WholeNumberField(required=False, min_value=1, max_value=3_600)
    allow_changes = TruthField(
        required=False, help_text="offer tools that change something, too; people are asked about each such call"
    )

    def validate_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        return refuse_changes_of_batch(batch)


class ScheduleIn(ScheduleChange):
    """A prompt or a batch, and when it is started."""

    name = NameField(max_length=200)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("message" in attrs) == ("batch" in attrs):
            raise serializers.ValidationError({"message": ["Give either message or batch."]})
        return attrs


class ScheduleUpload(ScheduleChange):
    """The fields of a schedule beside the file of its batch; ``batch`` has the batch's own options."""

    name = NameField(max_length=200)
    message = None  # type: ignore[assignment]
    batch = BatchOptions(required=False)  # type: ignore[assignment]


class ScheduleForm(serializers.Serializer[Any]):
    """A schedule as a form: the file of its batch, and the other fields as JSON."""

    file = serializers.FileField(help_text="as for a batch, at most 1 MB")
    options = serializers.JSONField(help_text="the other fields of the schedule; batch: the options of its batch")


class ScheduleOut(serializers.ModelSerializer[Schedule]):
    """A schedule, its state and its next times."""

    state = serializers.ChoiceField(["active", "paused", "done"], read_only=True)
    items = serializers.SerializerMethodField()
    options = serializers.SerializerMethodField()
    allow_changes = serializers.SerializerMethodField()
    conversation = serializers.UUIDField(source="conversation_id", read_only=True, allow_null=True)
    notify = serializers.SerializerMethodField()
    upcoming = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    class Meta:
        model = Schedule
        fields = [
            "id",
            "name",
            "state",
            "kind",
            "every_s",
            "cron",
            "timezone",
            "at",
            "message",
            "items",
            "options",
            "allow_changes",
            "conversation",
            "webhook",
            "notify",
            "overlap",
            "catch_up",
            "jitter_s",
            "ends_at",
            "max_times",
            "max_failures",
            "times",
            "failures",
            "due_at",
            "upcoming",
            "paused_at",
            "paused_because",
            "links",
        ]

    @extend_schema_field({"type": ["integer", "null"]})
    def get_items(self, schedule: Schedule) -> int | None:
        """Number of items of its batch; null for a prompt."""
        return len(schedule.batch["items"]) if schedule.batch is not None else None

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_options(self, schedule: Schedule) -> dict[str, Any]:
        """The options of its runs."""
        return {name: value for name, value in schedule.options.items() if name != "read_only"}

    def get_allow_changes(self, schedule: Schedule) -> bool:
        """Whether its runs may use tools that can change something."""
        return not schedule.options.get("read_only", True)

    @extend_schema_field(NOTIFY)
    def get_notify(self, schedule: Schedule) -> dict[str, str] | None:
        """How its owner hears that it failed or was paused."""
        return {"by": schedule.notify_by, "url": schedule.notify_url} if schedule.notify_by else None

    @extend_schema_field({"type": "array", "items": {"type": "string", "format": "date-time"}})
    def get_upcoming(self, schedule: Schedule) -> list[str]:
        """Its next five times; each starts up to ``jitter_s`` later."""
        return [time.isoformat().replace("+00:00", "Z") for time in lifecycle.upcoming(schedule)]

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_links(self, schedule: Schedule) -> dict[str, str]:
        """Paths of related resources and actions."""
        here = f"/api/schedules/{schedule.pk}/"
        return {"self": here, **{name: f"{here}{name}/" for name in ("firings", "run", "pause", "resume")}}


class FiringOut(serializers.ModelSerializer[Firing]):
    """One due time of a schedule, and its outcome."""

    run = serializers.UUIDField(source="run_id", read_only=True, allow_null=True)
    batch = serializers.UUIDField(source="batch_id", read_only=True, allow_null=True)

    class Meta:
        model = Firing
        fields = ["due_at", "fired_at", "outcome", "reason", "run", "batch"]
