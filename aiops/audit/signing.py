"""Signs checkpoints with a key derived from AIOPS_SECRET_KEY, which whoever has only the database does not have.

During a rotation, AIOPS_SECRET_KEY_FALLBACKS verifies what the previous key has signed, and the job signs it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import rfc8785
from django.conf import settings as django_settings
from django.utils.crypto import constant_time_compare, salted_hmac

from aiops.audit.hashing import time_text
from aiops.audit.models import Checkpoint

SALT = "aiops.audit.checkpoint"


def sign(checkpoint: Checkpoint) -> Checkpoint:
    """Set the signature by the current key."""
    checkpoint.signature = _signature(checkpoint, django_settings.SECRET_KEY)
    return checkpoint


def is_signed(checkpoint: Checkpoint) -> bool:
    """Whether the current key, or a previous one, has signed the checkpoint as it is."""
    return _is_signed(checkpoint, [django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS])


def is_current(checkpoint: Checkpoint) -> bool:
    """Whether the current key has signed it."""
    return _is_signed(checkpoint, [django_settings.SECRET_KEY])


def _is_signed(checkpoint: Checkpoint, keys: Iterable[str]) -> bool:
    return any(constant_time_compare(checkpoint.signature, _signature(checkpoint, key)) for key in keys)


def _signature(checkpoint: Checkpoint, key: str) -> str:
    signed: dict[str, Any] = {
        "kind": str(checkpoint.kind),
        "sequence": checkpoint.sequence,
        "hash": checkpoint.hash,
        "at": time_text(checkpoint.at),
    }
    return salted_hmac(SALT, rfc8785.dumps(signed), secret=key, algorithm="sha256").hexdigest()
