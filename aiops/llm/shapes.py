"""The JSON of providers and models; references are written by id or name, and read as names."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aiops.llm.models import MAX_CACHE_TTL_S, MAX_TEMPERATURE, MIN_CACHE_TTL_S, LLMModel, LLMProvider
from aiops.web.api.parsing import (
    NameField,
    NumberField,
    ObjectField,
    Strict,
    TagsField,
    TextField,
    TruthField,
    WholeNumberField,
)

MAX_QUESTION_BYTES = 8_192


class PatternsField(serializers.ListField):
    child = NameField(max_length=200)


class NamesField(serializers.ListField):
    child = NameField(max_length=200)


class ProviderChange(Strict):
    """The fields of a provider that can be changed."""

    name = NameField(required=False, max_length=40)
    handler = NameField(required=False, max_length=40)
    description = NameField(required=False, allow_blank=True, max_length=300)
    documentation_url = NameField(required=False, allow_blank=True, max_length=500)
    config_schema = ObjectField(required=False, help_text="its settings, which fit its handler's JSON Schema")
    is_enabled = TruthField(required=False)
    tags = TagsField(required=False)


class ProviderIn(ProviderChange):
    """A provider that is added."""

    name = NameField(max_length=40)
    handler = NameField(max_length=40)


class LLMProviderOut(serializers.ModelSerializer[LLMProvider]):
    """A service that serves language models."""

    config_schema = ObjectField()
    tags = TagsField()

    class Meta:
        model = LLMProvider
        fields = [
            "id",
            "name",
            "handler",
            "description",
            "documentation_url",
            "config_schema",
            "is_enabled",
            "tags",
            "created_at",
            "updated_at",
        ]


class ModelChange(Strict):
    """The fields of a model that can be changed; null empties one."""

    name = NameField(required=False, max_length=200)
    provider = NameField(required=False, max_length=40, help_text="id or name")
    description = NameField(required=False, allow_blank=True, max_length=300)
    model_secret_key = NameField(required=False, allow_null=True, max_length=60, help_text="id or name of a secret")
    temperature = NumberField(required=False, allow_null=True, min_value=0, max_value=MAX_TEMPERATURE)
    cache_ttl = WholeNumberField(
        required=False,
        min_value=MIN_CACHE_TTL_S,
        max_value=MAX_CACHE_TTL_S,
        help_text="seconds after which its client is built again",
    )
    model_config = ObjectField(required=False, help_text="its parameters; model: the name that the provider knows")
    system_prompt = NameField(required=False, allow_null=True, max_length=60, help_text="id or name of an approved one")
    context_window = WholeNumberField(required=False, allow_null=True, min_value=1_000, max_value=100_000_000)
    price_in = serializers.DecimalField(
        required=False,
        allow_null=True,
        min_value=0,
        max_digits=12,
        decimal_places=6,
        help_text="of a million tokens, in AIOPS_CURRENCY",
    )
    price_out = serializers.DecimalField(required=False, allow_null=True, min_value=0, max_digits=12, decimal_places=6)
    capabilities = ObjectField(required=False)
    advanced_model = NameField(required=False, allow_null=True, max_length=200, help_text="id or name")
    advanced_patterns = PatternsField(required=False, max_length=20)
    limits = ObjectField(required=False, help_text="concurrency, requests_per_minute, tokens_per_minute")
    fallbacks = NamesField(required=False, max_length=10, help_text="ids or names, in order")
    is_enabled = TruthField(required=False)
    is_default = TruthField(required=False)
    groups = NamesField(required=False, max_length=50, help_text="whose members may choose it; empty: everybody")
    tags = TagsField(required=False)


class ModelIn(ModelChange):
    """A model that is added."""

    name = NameField(max_length=200)
    provider = NameField(max_length=40, help_text="id or name")


class LLMModelOut(serializers.ModelSerializer[LLMModel]):
    """One configured model of a provider."""

    provider = serializers.SlugRelatedField[LLMProvider](slug_field="name", read_only=True)
    model_secret_key = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    system_prompt = serializers.SlugRelatedField[Any](slug_field="name", read_only=True)
    advanced_model = serializers.SlugRelatedField[LLMModel](slug_field="name", read_only=True)
    fallbacks = serializers.SerializerMethodField()
    model_config = ObjectField()
    capabilities = ObjectField()
    limits = ObjectField()
    advanced_patterns = PatternsField()
    groups = NamesField()
    tags = TagsField()

    class Meta:
        model = LLMModel
        fields = [
            "id",
            "name",
            "provider",
            "description",
            "model_secret_key",
            "temperature",
            "cache_ttl",
            "model_config",
            "system_prompt",
            "context_window",
            "price_in",
            "price_out",
            "capabilities",
            "advanced_model",
            "advanced_patterns",
            "limits",
            "fallbacks",
            "is_enabled",
            "is_default",
            "groups",
            "tags",
            "created_at",
            "updated_at",
        ]

    def get_fallbacks(self, model: Any) -> list[str]:
        return [row.fallback.name for row in model.fallback_rows.all()]


class TryIn(Strict):
    """One question."""

    message = TextField(max_bytes=MAX_QUESTION_BYTES)


class TargetOut(serializers.Serializer[Any]):
    """Where the calls of a model go."""

    url = serializers.CharField()
    deployment = serializers.CharField(required=False, help_text="of Azure")
    api_version = serializers.CharField(required=False, help_text="of Azure")


class LinksOut(serializers.Serializer[Any]):
    """URLs of a run."""

    self = serializers.CharField()
    events = serializers.CharField()
    cancel = serializers.CharField()


class TriedOut(serializers.Serializer[Any]):
    """The run that tries a model, and where its calls go."""

    id = serializers.UUIDField()
    state = serializers.CharField()
    links = LinksOut()
    target = TargetOut()
