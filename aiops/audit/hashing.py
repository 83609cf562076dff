"""What is hashed of a row: its values exactly as both databases return them, in their RFC 8785 form."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import rfc8785

from aiops import untrusted

GENESIS = "0" * 64
"""What the first row has in the place of a hash before it."""
MAX_SAFE = 2**53 - 1
"""Integers beyond it have no RFC 8785 form, and PostgreSQL returns whole floats beyond it as integers."""
MAX_DEPTH = 20
MAX_TEXT_CHARACTERS = 4_000
MAX_DETAILS_BYTES = 16_384
KEPT_OF_LARGE = 8_000
"""Characters that are kept of details that are larger."""
TOO_DEEP = "…"


class Hashed(Protocol):
    """The columns that the hash covers."""

    sequence: int
    at: datetime
    actor: str
    actor_id: UUID | None
    action: str
    object: str
    details: dict[str, Any]
    previous_hash: str


def hash_of(row: Hashed) -> str:
    """Return the SHA-256 of a row; raises ValueError for details that ``storable`` has not made."""
    values: dict[str, Any] = {
        "sequence": row.sequence,
        "at": time_text(row.at),
        "actor": row.actor,
        "actor_id": str(row.actor_id) if row.actor_id else None,
        "action": str(row.action),
        "object": row.object,
        "details": row.details,
        "previous_hash": row.previous_hash,
    }
    return hashlib.sha256(rfc8785.dumps(values)).hexdigest()  # its errors are ValueErrors


def time_text(at: datetime) -> str:
    """Return a time in UTC with all six digits of its microseconds."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def text(value: str, *, most: int) -> str:
    """Return a text that a column of ``most`` characters can store, on one line."""
    shown = " ".join(untrusted.plain(value).split())
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def storable(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return details that both databases return as they got them and that have an RFC 8785 form, of bounded size.

    Numbers that do not fit become texts, and so does what is no JSON. Of what is too large its beginning is kept, with
    the size and hash of the whole.
    """
    made: dict[str, Any] = {_text(str(name)): _storable(value, 1) for name, value in details.items()}
    encoded = rfc8785.dumps(made)
    if len(encoded) <= MAX_DETAILS_BYTES:
        return made
    beginning = json.dumps(made, ensure_ascii=False)[:KEPT_OF_LARGE]
    return {"cut": beginning, "bytes": len(encoded), "sha256": hashlib.sha256(encoded).hexdigest()}


def _storable(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, int):
        return int(value) if -MAX_SAFE <= value <= MAX_SAFE else _integer_text(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            return TOO_DEEP
        return {_text(str(name)): _storable(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return TOO_DEEP if depth >= MAX_DEPTH else [_storable(inner, depth + 1) for inner in value]
    return _text(str(value))


def _number(value: float) -> Any:
    """Return a float that survives PostgreSQL's exact decimals; whole ones as integers, as RFC 8785 writes them."""
    if not math.isfinite(value):
        return str(value)
    if value.is_integer():
        return int(value) if abs(value) <= MAX_SAFE else repr(value)
    return value


def _integer_text(value: int) -> str:
    """Return an integer as text: exactly, or in hexadecimal where Python refuses to write so many digits."""
    return _text(str(value) if value.bit_length() < 10_000 else hex(value))


def _text(value: str) -> str:
    cleaned = untrusted.clean(value)
    return cleaned if len(cleaned) <= MAX_TEXT_CHARACTERS else cleaned[: MAX_TEXT_CHARACTERS - 1] + "…"
