"""Strict parsing of requests: only JSON bodies, exact types, and unknown fields and parameters are refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser

from aiops import net, schemas, settings, untrusted
from aiops.errors import Invalid, TooLarge

MAX_DEPTH = 20


class StrictJSON(BaseParser):
    """Parses a JSON object: UTF-8, no repeated names, only values that can be stored, at most 20 levels deep."""

    media_type = "application/json"
    max_bytes: int | None = None
    """Larger bodies are refused; None where ``doors.limits`` bounds the body already."""
    cure = ""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return self._parsed(stream, lists=False)

    def _parsed(self, stream: Any, *, lists: bool) -> Any:
        data = stream.read(-1 if self.max_bytes is None else self.max_bytes + 1)
        if self.max_bytes is not None and len(data) > self.max_bytes:
            raise TooLarge(f"The body is larger than {self.max_bytes} bytes. {self.cure}".strip())
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"The body is not JSON: {error}", code="invalid_json") from error
        return read_json(text, what="body", lists=lists)


def read_json(text: str, *, what: str, lists: bool = False) -> Any:
    """Parse a JSON object strictly; raises Invalid, which calls the text ``what`` and names its fields.

    With ``lists``, a list of objects does as well.
    """
    try:
        value = json.loads(text, object_pairs_hook=_without_repetition)
        found = untrusted.faults(value, max_depth=MAX_DEPTH)
    except (untrusted.TooDeep, RecursionError):
        raise Invalid(f"The {what} is nested deeper than {MAX_DEPTH}.", code="invalid_json") from None
    except ValueError as error:
        raise Invalid(f"The {what} is not JSON: {str(error)[:200]}", code="invalid_json") from error
    if found:
        errors = {place or what: [reason] for place, reason in found.items()}
        raise Invalid(f"Correct {', '.join(errors)}.", errors=errors, code="invalid_json")
    if lists and isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    if not isinstance(value, dict):
        raise Invalid(f"The {what} must be a JSON object.", code="invalid_json")
    return value


def refuse_unknown_parameters(given: Iterable[str], *, known: Set[str]) -> None:
    """Raise Invalid if a query has parameters that are not known."""
    if unknown := sorted(set(given) - known):
        reason = "There is no such parameter."
        raise Invalid(reason, errors={name[:100]: [reason] for name in unknown})


class StrictRows(StrictJSON):
    """Parses a JSON object, or a list of them."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        return self._parsed(stream, lists=True)


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses unknown fields."""

    def to_internal_value(self, data: Any) -> Any:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({str(name)[:100]: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)

    @classmethod
    def read(cls, data: Any) -> dict[str, Any]:
        """Return the valid fields of a body; raises ValidationError."""
        shape = cls(data=data)
        shape.is_valid(raise_exception=True)
        return dict(shape.validated_data)


def no_fields(data: Any) -> None:
    """Raise ValidationError if a body has fields, for calls that take none."""
    Strict.read(data)


class NumberField(serializers.FloatField):
    """A JSON number; strings and booleans are refused."""

    def to_internal_value(self, data: Any) -> float:
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("Not a number.")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction (1.0 is allowed)."""

    def to_internal_value(self, data: Any) -> int:
        whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if isinstance(data, bool) or not whole:
            raise serializers.ValidationError("Not a whole number.")
        return super().to_internal_value(int(data))


class NameField(serializers.CharField):
    """A short text without surrounding space; numbers and booleans are refused, not converted."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Not a text.")
        return super().to_internal_value(data)


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object; the rules of its row check what is in it."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Not an object.")
        return super().to_internal_value(data)


class TagsField(serializers.ListField):
    """Short words without commas, each once, in any order."""

    child = NameField(max_length=40)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=20, **options)

    def to_internal_value(self, data: Any) -> list[str]:
        tags: list[str] = super().to_internal_value(data)
        if any("," in tag or '"' in tag for tag in tags):
            raise serializers.ValidationError("A tag has no comma and no quotation mark.")
        return sorted(set(tags))


class WebhookField(NameField):
    """A webhook's URL: https, or http if AIOPS_WEBHOOK_NETWORKS is set; its host is looked up when it is used."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=net.MAX_URL_CHARACTERS, allow_blank=True, **options)

    def to_internal_value(self, data: Any) -> str:
        url = super().to_internal_value(data)
        try:
            scheme = net.check(url)[0]
        except net.BadAddress as error:
            raise serializers.ValidationError(str(error)) from error
        if scheme != "https" and not settings.current().networks_of_webhooks():
            raise serializers.ValidationError(
                "It must begin with https:// (AIOPS_WEBHOOK_NETWORKS allows http to some)."
            )
        return url


class TruthField(serializers.BooleanField):
    """true or false; numbers and strings are refused."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            raise serializers.ValidationError("Not true or false.")
        return data


@extend_schema_field({"type": "object", "additionalProperties": True})
class SchemaField(serializers.JSONField):
    """A JSON Schema object."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, dict):
            raise serializers.ValidationError("Not an object.")
        written = json.dumps(data)
        if len(written) > self.max_bytes:
            raise serializers.ValidationError(f"The schema has {len(written)} bytes; the most is {self.max_bytes}.")
        try:
            schemas.compiled(written)
        except schemas.BadSchema as error:
            raise serializers.ValidationError(f"Not a JSON Schema we can use: {error}") from error
        return data


class IdField(serializers.UUIDField):
    """A UUID as a string; numbers are refused."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            raise serializers.ValidationError("Not an id.")
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """A text that is not blank, of at most ``max_bytes`` bytes of UTF-8."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            raise serializers.ValidationError("Not a text.")
        text = super().to_internal_value(data)
        if not text.strip():
            raise serializers.ValidationError("This field may not be blank.")
        size = len(text.encode())
        if size > self.max_bytes:
            raise serializers.ValidationError(f"The text has {size} bytes; the most is {self.max_bytes}.")
        return text


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name is given twice")
    return members
