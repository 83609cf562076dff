"""The JSON of chains; references are written by id or name, and read as names."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aiops.chains.models import HIGHEST, LOWEST, LLMMiddleware, MiddlewareType
from aiops.web.api.parsing import NameField, ObjectField, Strict, TagsField, TruthField, WholeNumberField


class TypeChange(Strict):
    """The fields of a type that can be changed."""

    name = NameField(required=False, max_length=60)
    path = NameField(required=False, max_length=200, help_text="module:Class of an entry point aiops.middleware")
    description = NameField(required=False, allow_blank=True, max_length=300)
    config_schema = ObjectField(required=False, help_text="JSON Schema of its config")
    default_config = ObjectField(required=False)
    tags = TagsField(required=False)


class TypeIn(TypeChange):
    """A type that is added."""

    name = NameField(max_length=60)
    path = NameField(max_length=200, help_text="module:Class of an entry point aiops.middleware")


class MiddlewareTypeOut(serializers.ModelSerializer[MiddlewareType]):
    """A kind of middleware."""

    config_schema = ObjectField()
    default_config = ObjectField()
    tags = TagsField()

    class Meta:
        model = MiddlewareType
        fields = [
            "id",
            "name",
            "path",
            "is_custom",
            "description",
            "config_schema",
            "default_config",
            "tags",
            "created_at",
            "updated_at",
        ]


class BuildsOut(serializers.Serializer[Any]):
    """Whether a worker can build it now."""

    builds = serializers.BooleanField()
    problem = serializers.CharField(help_text="why not; empty if it can")


class UseChange(Strict):
    """The fields of a model's middleware that can be changed."""

    llm_model = NameField(required=False, max_length=200, help_text="id or name")
    middleware = NameField(required=False, max_length=60, help_text="id or name of its type")
    config = ObjectField(required=False, help_text="laid over the type's default_config")
    priority = WholeNumberField(
        required=False, min_value=LOWEST, max_value=HIGHEST, help_text="the lowest is outermost; then the name decides"
    )
    is_active = TruthField(required=False)
    is_critical = TruthField(required=False, help_text="whether a run fails when it cannot start")
    tags = TagsField(required=False)


class UseIn(UseChange):
    """A middleware that a model is given."""

    llm_model = NameField(max_length=200, help_text="id or name")
    middleware = NameField(max_length=60, help_text="id or name of its type")


class LLMMiddlewareOut(serializers.ModelSerializer[LLMMiddleware]):
    """A middleware of one model."""

    llm_model = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    middleware = serializers.SlugRelatedField[MiddlewareType](slug_field="name", read_only=True)
    config = ObjectField()
    tags = TagsField()

    class Meta:
        model = LLMMiddleware
        fields = [
            "id",
            "llm_model",
            "middleware",
            "config",
            "priority",
            "is_active",
            "is_critical",
            "tags",
            "created_at",
            "updated_at",
        ]
