"""Reads request bodies: JSON alone, strictly, and fields we don't know are refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from rest_framework import serializers
from rest_framework.parsers import BaseParser

from aiops.errors import Invalid

MAX_DEPTH = 20


class StrictJSON(BaseParser):
    """A JSON object: UTF-8, no NaN, no repeated names, no half characters, not nested deeper than twenty."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Return the object; raises Invalid."""
        try:
            text = stream.read().decode()
            if _depth(text) > MAX_DEPTH:
                raise Invalid(f"The body is nested deeper than {MAX_DEPTH}.", code="invalid_json")
            value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
            _no_half_characters(value)
        except (ValueError, RecursionError) as error:
            raise Invalid(f"The body is not JSON: {str(error)[:200]}", code="invalid_json") from error
        if not isinstance(value, dict):
            raise Invalid("The body must be a JSON object.", code="invalid_json")
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
