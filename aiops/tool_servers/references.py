"""References to secrets: ``env:AIOPS_SECRET_…`` stands for the value of an environment variable."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

REFERENCE = "env:"
PREFIX = "AIOPS_SECRET_"
"""Only these variables may be referred to, so that no other value of the environment is sent to a server."""
FORM = re.compile(r"^env:AIOPS_SECRET_[A-Z0-9_]{1,100}\Z")


class BadReference(ValueError):
    """A reference that cannot be resolved; the message names the variable and the cure."""


def resolved(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the value, with ``env:NAME`` replaced by the variable's value; raises BadReference."""
    if not value.startswith(REFERENCE):
        return value
    name = value.removeprefix(REFERENCE)
    if not name.startswith(PREFIX):
        raise BadReference(f"{name} must begin with {PREFIX}: rename the variable.")
    if name not in environ:
        raise BadReference(f"{name} is not set: set it, or remove the reference.")
    return environ[name].strip()


def for_header(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the resolved value of a header; raises BadReference, without the value, when no header can carry it."""
    found = resolved(value, environ)
    if not (found.isascii() and found.isprintable()):
        raise BadReference(f"{value.removeprefix(REFERENCE)} has characters that no header can carry: copy it again.")
    return found
