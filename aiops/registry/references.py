"""Values that are not written down but referred to: ``env:AIOPS_SECRET_…`` names a variable of the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

REFERENCE = "env:"
PREFIX = "AIOPS_SECRET_"
"""The only variables that may be referred to, so that no server is sent what was not meant for one."""
FORM = re.compile(r"^env:AIOPS_SECRET_[A-Z0-9_]{1,100}\Z")


class BadReference(ValueError):
    """What is referred to is not there, or may not be referred to; the message says which and what to do."""


def resolved(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the value, or what ``env:NAME`` refers to; raises BadReference."""
    if not value.startswith(REFERENCE):
        return value
    name = value.removeprefix(REFERENCE)
    if not name.startswith(PREFIX):
        raise BadReference(f"{name} must begin with {PREFIX}: rename the variable.")
    if name not in environ:
        raise BadReference(f"{name} is not set: set it, or remove the reference.")
    return environ[name].strip()


def for_header(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return what a header's value refers to; raises BadReference, without the value, when no header can carry it."""
    found = resolved(value, environ)
    if not (found.isascii() and found.isprintable()):
        raise BadReference(f"{value.removeprefix(REFERENCE)} has characters that no header can carry: copy it again.")
    return found
