"""Cells of CSV files: how a value of the API is written in one, and read again."""

from __future__ import annotations

import json
import re
from typing import Any

from rest_framework import serializers

from aiops.untrusted import strict

NULL = "null"
"""Empties a field that can be empty; a blank cell leaves it as it is."""
FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a cell begins that a spreadsheet would run, or one of these that was made harmless."""
TRUTHS = {"true": True, "false": False}


class Unreadable(ValueError):
    """A cell that is no value of its column; the message says what it should be."""


def written(value: Any) -> str:
    """Return the text of a cell."""
    if value is None or value == "":
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if FORMULA.match(text) else text


def read(text: str, field: serializers.Field[Any, Any, Any, Any]) -> Any:
    """Return the value of a cell that is not blank; raises Unreadable."""
    if len(text) > 1 and text[0] == "'" and FORMULA.match(text):
        text = text[1:]
    if text.strip() == NULL and field.allow_null:
        return None
    if isinstance(field, serializers.BooleanField):
        return TRUTHS.get(text.strip().lower(), text)
    if isinstance(field, serializers.JSONField | serializers.ListField):
        try:
            return strict(text)
        except ValueError as error:
            raise Unreadable(str(error)) from error
    if isinstance(field, serializers.IntegerField | serializers.FloatField):
        return _number(text)
    return text


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise Unreadable("Not a number, such as 0.5.") from None
