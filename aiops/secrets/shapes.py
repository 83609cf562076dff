"""The JSON of secrets; a stored value goes in and never comes out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aiops.secrets.models import Secret
from aiops.secrets.saving import MASK
from aiops.web.api.parsing import NameField, Strict, TagsField

MAX_VALUE_CHARACTERS = 8_192


class SecretChange(Strict):
    """The fields of a secret that can be changed."""

    name = NameField(required=False, max_length=60)
    kind = serializers.ChoiceField(Secret.Kind.choices, required=False)
    reference = NameField(
        required=False,
        allow_blank=True,
        max_length=300,
        help_text="a variable AIOPS_SECRET_…, a path below AIOPS_SECRETS_DIR, or mount:path#field of Vault",
    )
    value = NameField(
        required=False,
        allow_blank=True,
        max_length=MAX_VALUE_CHARACTERS,
        help_text=f"of kind stored; {MASK} leaves it as it is",
    )
    tags = TagsField(required=False)


class SecretIn(SecretChange):
    """A secret that is added."""

    name = NameField(max_length=60)
    kind = serializers.ChoiceField(Secret.Kind.choices)


class SecretOut(serializers.ModelSerializer[Secret]):
    """A secret: where its value is, not what it is."""

    value = serializers.SerializerMethodField(help_text=f"{MASK} when one is stored, otherwise empty")
    tags = TagsField()

    class Meta:
        model = Secret
        fields = ["id", "name", "kind", "reference", "value", "tags", "created_at", "updated_at"]

    def get_value(self, secret: Any) -> str:
        return MASK if secret.encrypted else ""


class CheckOut(serializers.Serializer[Any]):
    """Whether a worker can read it now."""

    resolves = serializers.BooleanField()
    problem = serializers.CharField(help_text="why not, with the cure; empty if it can")
