"""Reads request bodies: JSON alone, strictly, and fields we don't know are refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser

from aiops import addresses, schemas, settings
from aiops.errors import Invalid, TooLarge

MAX_DEPTH = 20


class StrictJSON(BaseParser):
    """A JSON object: UTF-8, no NaN, no repeated names, no half characters, not nested deeper than twenty."""

    media_type = "application/json"
    max_bytes: int | None = None
    """Larger ones are refused before they are read; None where the door bounds all bodies already."""
    cure = ""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Return the object; raises Invalid."""
        data = stream.read(-1 if self.max_bytes is None else self.max_bytes + 1)
        if self.max_bytes is not None and len(data) > self.max_bytes:
            raise TooLarge(f"The body is larger than {self.max_bytes} bytes. {self.cure}".strip())
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"The body is not JSON: {error}", code="invalid_json") from error
        return read_json(text, what="body")


def read_json(text: str, *, what: str) -> dict[str, Any]:
    """Return the object that a text holds, strictly; raises Invalid, which calls the text ``what``."""
    try:
        if _depth(text) > MAX_DEPTH:
            raise Invalid(f"The {what} is nested deeper than {MAX_DEPTH}.", code="invalid_json")
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        _no_half_characters(value)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The {what} is not JSON: {str(error)[:200]}", code="invalid_json") from error
    if not isinstance(value, dict):
        raise Invalid(f"The {what} must be a JSON object.", code="invalid_json")
    return value


class Strict(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not have."""

    def to_internal_value(self, data: Any) -> Any:
        """Return validated values; unknown fields are errors under their own names."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            raise serializers.ValidationError({str(name)[:100]: ["There is no such field."] for name in unknown})
        return super().to_internal_value(data)


def no_fields(data: Any) -> None:
    """Refuse a body with fields, for calls that take none; raises ValidationError."""
    Strict(data=data).is_valid(raise_exception=True)


class NumberField(serializers.FloatField):
    """A JSON number; a text that looks like one, true and false are refused."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number; raises ValidationError."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("Not a number.")
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number (1.0 is one, too); raises ValidationError."""
        whole = isinstance(data, int) or (isinstance(data, float) and data.is_integer())
        if isinstance(data, bool) or not whole:
            raise serializers.ValidationError("Not a whole number.")
        return super().to_internal_value(int(data))


class NameField(serializers.CharField):
    """A short text; a number or a truth value is refused, not written out."""

    def to_internal_value(self, data: Any) -> str:
        """Return the text without space around it; raises ValidationError."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Not a text.")
        return super().to_internal_value(data)


class WebhookField(NameField):
    """Where the end is told: https, or http where AIOPS_WEBHOOK_NETWORKS allows it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=addresses.MAX_URL_CHARACTERS, **options)

    def to_internal_value(self, data: Any) -> str:
        """Return the URL; raises ValidationError. Its host is looked up when it is sent to."""
        url = super().to_internal_value(data)
        try:
            scheme = addresses.check(url)[0]
        except addresses.BadAddress as error:
            raise serializers.ValidationError(str(error)) from error
        if scheme != "https" and not settings.current().networks_of_webhooks():
            raise serializers.ValidationError(
                "It must begin with https:// (AIOPS_WEBHOOK_NETWORKS allows http to some)."
            )
        return url


class TruthField(serializers.BooleanField):
    """true or false; 0, 1 and words are refused."""

    def to_internal_value(self, data: Any) -> bool:
        """Return it; raises ValidationError."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("Not true or false.")
        return data


@extend_schema_field({"type": "object", "additionalProperties": True})
class SchemaField(serializers.JSONField):
    """A JSON Schema, as an object."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(**options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> Any:
        """Return the schema; raises ValidationError."""
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
    """A UUID as text; a number is refused."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the UUID; raises ValidationError."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Not an id.")
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """Text within a number of bytes of UTF-8, without NUL."""

    def __init__(self, *, max_bytes: int, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.max_bytes = max_bytes

    def to_internal_value(self, data: Any) -> str:
        """Return the text; raises ValidationError."""
        if not isinstance(data, str):
            raise serializers.ValidationError("Not a text.")
        text = super().to_internal_value(data)
        if not text.strip():
            raise serializers.ValidationError("This field may not be blank.")
        size = len(text.encode())
        if size > self.max_bytes:
            raise serializers.ValidationError(f"The text has {size} bytes; the most is {self.max_bytes}.")
        return text


def _depth(text: str) -> int:
    """Return how deep brackets nest (those inside strings count too, which only makes us stricter)."""
    depth = deepest = 0
    for character in text:
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name is given twice")
    return made


def _no_half_characters(value: Any) -> None:
    """Refuse lone surrogates in any name or text: no answer that repeats them can be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("it has half a surrogate pair, which is no character") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
