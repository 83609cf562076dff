"""The JSON of tools."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.llm import own_tools
from aiops.tool_servers.catalogue import saving
from aiops.tool_servers.models import MAX_CALL_S, MAX_RESULT_BYTES, Tool
from aiops.tool_servers.shapes import ArgumentsField
from aiops.web.api.parsing import IdField, NameField, Strict, TruthField, WholeNumberField


class ToolChange(Strict):
    """The fields of a tool that people decide."""

    tool_class = serializers.ChoiceField(Tool.Class.choices, required=False, help_text="unknown counts as write")
    is_enabled = TruthField(required=False)
    timeout_s = WholeNumberField(required=False, min_value=1, max_value=MAX_CALL_S, allow_null=True)
    max_result_bytes = WholeNumberField(required=False, min_value=100, max_value=MAX_RESULT_BYTES, allow_null=True)
    calls_per_run = WholeNumberField(required=False, min_value=1, allow_null=True)


class AcceptIn(Strict):
    """Accepts what a person has seen: ``pin`` is its ``offered_pin``; without it, whatever is offered."""

    pin = NameField(required=False, max_length=64)


class AcceptOne(AcceptIn):
    """One of several tools that are accepted."""

    id = IdField()


class ToolTryIn(Strict):
    """The arguments of a call that a person tries."""

    arguments = ArgumentsField(required=False, default=dict)


@extend_schema_field({"type": "object", "additionalProperties": True})
class DefinitionField(serializers.JSONField):
    """{name, title, description, inputSchema, annotations}, as its server sent it; empty if there is none."""


class FiguresOut(serializers.Serializer[Any]):
    """The latest calls of a tool, of the last seven days."""

    calls = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="failed, stopped, or of unknown outcome")
    p50_ms = serializers.FloatField(allow_null=True)
    p95_ms = serializers.FloatField(allow_null=True)


class OwnToolOut(serializers.Serializer[Any]):
    """A tool that a model's provider runs itself."""

    provider = serializers.CharField()
    tool = serializers.CharField()
    status = serializers.ChoiceField([own_tools.OFF])
    note = serializers.CharField()


class ToolRowOut(serializers.ModelSerializer[Tool]):
    """A tool in a list: ``pin`` is of the accepted definition, ``offered_pin`` of that in its server's last list."""

    server = serializers.CharField(source="server.name")
    description = serializers.CharField(help_text="what its server says about it now")
    lately = serializers.SerializerMethodField()

    class Meta:
        model = Tool
        fields: ClassVar = [
            "id",
            "server",
            "name",
            "description",
            "tool_class",
            "status",
            "problem",
            "pin",
            "offered_pin",
            "is_enabled",
            "timeout_s",
            "max_result_bytes",
            "calls_per_run",
            "lately",
            "created_at",
            "updated_at",
        ]

    @extend_schema_field(FiguresOut)
    def get_lately(self, row: Any) -> Any:
        return FiguresOut(self.context["lately"](row)).data


class ToolInFile(serializers.ModelSerializer[Tool]):
    """A tool in a CSV file: which one it is, and what people decide about it."""

    server = serializers.CharField(source="server.name")

    class Meta:
        model = Tool
        fields: ClassVar = ["server", "name", *ToolChange().fields]


class WholeToolOut(ToolRowOut):
    """A tool with the definition that was accepted, the one in its server's last list, and how they differ."""

    definition = DefinitionField()
    offered = DefinitionField()
    difference = serializers.SerializerMethodField(help_text="offered against accepted, as a unified diff")

    class Meta(ToolRowOut.Meta):
        fields: ClassVar = [*ToolRowOut.Meta.fields, "definition", "offered", "difference"]

    def get_difference(self, row: Any) -> str:
        return saving.difference(row)
