"""Validates rows by their model's own rules, the same way from every door."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model

from aiops.errors import Invalid


def check(row: Model, **options: Any) -> None:
    """Raise Invalid, naming the fields, for a row that its rules refuse."""
    try:
        row.full_clean(**options)
    except ValidationError as error:
        reasons = {
            name.replace(NON_FIELD_ERRORS, "name"): list(map(str, why)) for name, why in error.message_dict.items()
        }
        raise Invalid(f"Correct {', '.join(reasons)}.", errors=reasons) from error
