"""What the resources of configuration rows have in common: their change log, their lists, and their description."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers

from aiops.changes import recording
from aiops.web.api import creating
from aiops.web.api.parsing import IdField, Strict

REASON = "Change-Reason"
WHY = OpenApiParameter(
    REASON,
    {"type": "string", "maxLength": 3_000},
    OpenApiParameter.HEADER,
    description="Why, for the change log: ASCII, other characters percent-encoded (UTF-8).",
)


class ChangeOut(serializers.Serializer[Any]):
    """One entry of a row's change log."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField(source="timestamp")
    actor = serializers.SerializerMethodField(help_text="who; empty: the system")
    action = serializers.SerializerMethodField()
    changes = serializers.SerializerMethodField(help_text="field → [before, after], as text; secrets are masked")
    reason = serializers.SerializerMethodField()

    def get_actor(self, entry: Any) -> str:
        return entry.actor.username if entry.actor is not None else ""

    def get_action(self, entry: Any) -> str:
        return str(entry.get_action_display())

    def get_changes(self, entry: Any) -> dict[str, list[str | None]]:
        return entry.changes or {}

    def get_reason(self, entry: Any) -> str:
        return str((entry.additional_data or {}).get(recording.REASON, ""))


class RowId(Strict):
    """Names a row of a list."""

    id = IdField()


def described(
    tag: str, *, new: type[Strict], change: type[Strict], row: type[Any], example: tuple[str, dict[str, Any]]
) -> Callable[[type[Any]], type[Any]]:
    """Describe a resource of rows in the OpenAPI document; ``example`` is a title and the body of a new row."""
    title, body = example
    examples = [OpenApiExample(title, body, request_only=True)]
    name = tag.replace("-", "_")
    lists: dict[str, dict[str, Any]] = {
        "bulk_update": {"request": change(many=True), "responses": row(many=True)},
        "bulk_destroy": {"request": RowId(many=True), "responses": {204: None}},
    }
    view_schema = extend_schema_view(
        list=extend_schema(parameters=[OpenApiParameter("search", str)], tags=[tag]),
        retrieve=extend_schema(tags=[tag]),
        create=extend_schema(
            request=new,
            responses={201: row},
            parameters=[creating.PARAMETER, WHY],
            examples=examples,
            tags=[tag],
            description="Create a row, or each of a list, all or none: the body is one, or a list of at most 1,000.",
        ),
        update=extend_schema(request=new, responses=row, parameters=[WHY], tags=[tag]),
        partial_update=extend_schema(request=change, responses=row, parameters=[WHY], tags=[tag]),
        destroy=extend_schema(responses={204: None}, parameters=[WHY], tags=[tag]),
        history=extend_schema(responses=ChangeOut(many=True), filters=False, tags=[tag]),
    )

    def describe(view: type[Any]) -> type[Any]:
        for method, options in lists.items():  # which extend_schema_view does not know
            more: dict[str, Any] = {
                "operation_id": f"{name}_{method}",
                "filters": False,
                "parameters": [WHY],
                "tags": [tag],
            }
            setattr(view, method, extend_schema(**options, **more)(_copy(getattr(view, method))))
        described_view: type[Any] = view_schema(view)
        return described_view

    return describe


def _copy(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of its own: a description belongs to one view, not to all that inherit the method."""

    @functools.wraps(method)
    def call(*args: Any) -> Any:
        return method(*args)

    return call
