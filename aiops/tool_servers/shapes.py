"""The JSON of tool servers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.tool_servers.models import MAX_CALL_S, MAX_HANDSHAKE_S, MCPServer
from aiops.web.api.parsing import NameField, Strict, TagsField, TruthField, WholeNumberField


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class PairsField(serializers.JSONField):
    """An object whose values are strings; ``rules`` checks them."""


@extend_schema_field({"type": ["object", "null"], "additionalProperties": True})
class ParametersField(serializers.JSONField):
    """The JSON Schema of a tool's arguments."""


@extend_schema_field({"type": "object", "additionalProperties": True})
class ArgumentsField(serializers.JSONField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Not an object.")
        return super().to_internal_value(data)


class TextsField(serializers.ListField):
    child = NameField(max_length=1_000, allow_blank=True, trim_whitespace=False)


class ToolServerChange(Strict):
    """The fields of a tool server that can be changed."""

    name = NameField(required=False, max_length=31)
    protocol = serializers.ChoiceField(MCPServer.Protocol.choices, required=False)
    url = NameField(required=False, allow_blank=True, max_length=500)
    endpoint = NameField(required=False, allow_blank=True, max_length=200)
    health_path = NameField(required=False, allow_blank=True, max_length=200)
    headers = PairsField(required=False, help_text="values are env:AIOPS_SECRET_…, or have ${AIOPS_SECRET_…}")
    command = NameField(required=False, allow_blank=True, max_length=500)
    args = TextsField(required=False, max_length=50)
    env = PairsField(required=False, help_text="secrets are references: env:AIOPS_SECRET_…")
    cwd = NameField(required=False, allow_blank=True, max_length=500, help_text="folder in which the command runs")
    credential = serializers.ChoiceField(
        MCPServer.Credential.choices,
        required=False,
        help_text="user: each person's own (/api/tool-credentials/); otherwise as headers and env refer to secrets",
    )
    credential_header = NameField(
        required=False,
        allow_blank=True,
        max_length=100,
        help_text="gets each person's own credential as it is; empty: Authorization, as a bearer token",
    )
    place = serializers.ChoiceField(MCPServer.Place.choices, required=False)
    required = TruthField(required=False, help_text="nothing is answered without it")  # type: ignore[assignment]
    handshake_s = WholeNumberField(required=False, min_value=1, max_value=MAX_HANDSHAKE_S)
    call_s = WholeNumberField(required=False, min_value=1, max_value=MAX_CALL_S, allow_null=True)
    status = serializers.ChoiceField(MCPServer.Status.choices, required=False)
    accept_tools = TruthField(required=False, help_text="accept the tools of its next list; false again after that")
    tags = TagsField(required=False)


class ToolServerIn(ToolServerChange):
    """A tool server that is added."""

    name = NameField(max_length=31)


class ToolOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField()
    read_only = serializers.BooleanField()  # type: ignore[assignment]
    problem = serializers.CharField(default="", help_text="why it cannot be used; empty when it can")
    parameters = ParametersField(default=None, help_text="JSON Schema of its arguments; null when it is too large")


class PromptArgumentOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    description = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]


class PromptOut(serializers.Serializer[Any]):
    """A prompt that a server offers."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    arguments = PromptArgumentOut(many=True)


class ResourceOut(serializers.Serializer[Any]):
    """A resource that a server offers; its contents are not read."""

    uri = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    mime_type = serializers.CharField()
    size = serializers.IntegerField(allow_null=True, help_text="bytes, as its server says; null: it does not say")


class TrialOut(serializers.Serializer[Any]):
    """How the call ended: its result, or why there is none."""

    status = serializers.ChoiceField(["ok", "error"])
    ms = serializers.FloatField()
    result = serializers.CharField()


class ServerTrialOut(serializers.Serializer[Any]):
    """What was found at a server: its tools, or why there are none."""

    ok = serializers.BooleanField()
    problem = serializers.CharField()
    tools = ToolOut(many=True)


class ToolServerOut(serializers.ModelSerializer[MCPServer]):
    """A tool server, its health, and its tools, prompts and resources at the last handshake (null: not listed yet).

    ``prompts`` and ``resources`` are null, too, for a server that declares none; ``lists_problem`` says why one of the
    two lists is missing or not whole.
    ``output`` is the end, 8 kB, of what its command wrote when the last health check failed.
    """

    headers = PairsField(read_only=True)
    env = PairsField(read_only=True)
    args = TextsField(read_only=True)
    tools = ToolOut(many=True, read_only=True, allow_null=True)
    prompts = PromptOut(many=True, read_only=True, allow_null=True)
    resources = ResourceOut(many=True, read_only=True, allow_null=True)
    tags = TagsField(read_only=True)

    class Meta:
        model = MCPServer
        fields = [
            "id",
            "name",
            "protocol",
            "url",
            "endpoint",
            "health_path",
            "headers",  # like env: references, never secrets
            "command",
            "args",
            "env",
            "cwd",
            "credential",
            "credential_header",
            "place",
            "required",
            "handshake_s",
            "call_s",
            "accept_tools",
            "status",
            "status_since",
            "problem",
            "output",
            "tools",
            "prompts",
            "resources",
            "lists_problem",
            "checked_at",
            "tags",
            "created_at",
            "updated_at",
        ]


class ImportUpload(serializers.Serializer[Any]):
    """A configuration file of another MCP client, as a form."""

    file = serializers.FileField(help_text="JSON, comments allowed, with mcpServers or servers; at most 4 MB")
    dry_run = serializers.BooleanField(required=False, help_text="true: show what would happen, and write nothing")


class ImportedOut(serializers.Serializer[Any]):
    """What becomes of one server of the file."""

    name = serializers.CharField(help_text="of the tool server; empty if it is refused")
    was = serializers.CharField(help_text="its name in the file")
    action = serializers.ChoiceField(["create", "unchanged", "refused"])
    reason = serializers.CharField(help_text="why, or what was left out; may be empty")


class ImportOut(serializers.Serializer[Any]):
    """The result of an import. ``variables`` are to be set for the workers; ``sources`` says where each comes from."""

    servers = ImportedOut(many=True)
    variables = serializers.ListField(child=serializers.CharField())
    sources = serializers.DictField(child=serializers.CharField())


class Asked(serializers.Serializer[Any]):
    asked = serializers.ChoiceField(["check", "refresh"])
