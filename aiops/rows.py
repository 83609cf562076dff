"""Rules of rows that hold from every door: those of their model, and that what is used stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db.models import Model

from aiops.errors import Conflict, Invalid

SHOWN_USERS = 10


def check(row: Model, **options: Any) -> None:
    """Raise Invalid, naming the fields, for a row that its rules refuse."""
    try:
        row.full_clean(**options)
    except ValidationError as error:
        reasons = {
            name.replace(NON_FIELD_ERRORS, "name"): list(map(str, why)) for name, why in error.message_dict.items()
        }
        raise Invalid(f"Correct {', '.join(reasons)}.", errors=reasons) from error


def refuse_in_use(found: Sequence[str], *, to: str) -> None:
    """Raise Conflict ``in_use``, naming the first users, if there are any; ``to`` is what is refused: "deleted"."""
    if found:
        more = f" and {len(found) - SHOWN_USERS} more" if len(found) > SHOWN_USERS else ""
        raise Conflict(f"It cannot be {to}: it is used by {', '.join(found[:SHOWN_USERS])}{more}.", code="in_use")
