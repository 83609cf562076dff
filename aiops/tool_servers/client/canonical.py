"""Hashes of JSON values that neither the order of keys nor white space changes (RFC 8785)."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import rfc8785


class NotCanonical(ValueError):
    """The value has no RFC 8785 form, such as an integer beyond 2^53."""


def encode(value: Any) -> bytes:
    """Return the RFC 8785 form of a value; raises NotCanonical."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise NotCanonical(str(error)) from error


def hash_of_arguments(arguments: dict[str, Any]) -> str:
    """Return the SHA-256 of a call's arguments; those without an RFC 8785 form are sorted by their keys instead."""
    try:
        encoded = encode(arguments)
    except NotCanonical:
        encoded = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return hashlib.sha256(encoded).hexdigest()
