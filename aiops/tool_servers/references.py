"""References to secrets: ``env:AIOPS_SECRET_…`` as a whole value, or ``${AIOPS_SECRET_…}`` inside one."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

REFERENCE = "env:"
PREFIX = "AIOPS_SECRET_"
"""Only these variables may be referred to, so that no other value of the environment is sent to a server."""
OWN = ("AIOPS_SECRET_KEY", "AIOPS_SECRET_KEY_FALLBACKS", "AIOPS_SECRET_KEY_FILE", "AIOPS_SECRET_KEY_FALLBACKS_FILE")
"""Settings of aiops that have the prefix: they sign sessions, and no server may get them."""
FORM = re.compile(r"^env:AIOPS_SECRET_[A-Z0-9_]{1,100}\Z")
INSIDE = re.compile(r"\$\{(AIOPS_SECRET_[A-Z0-9_]{1,100})\}")
LEFT = re.compile(r"\$\{|(?<!\w)env:(?=\w)")
"""What looks like a reference, to whatever; it is never sent as it stands."""


class BadReference(ValueError):
    """A reference that cannot be resolved; the message names the variable and the cure."""


def names(value: str) -> list[str]:
    """Return the variables that a value refers to."""
    return [value.removeprefix(REFERENCE)] if FORM.match(value) else INSIDE.findall(value)


def fault(value: str) -> str:
    """Return why a value can neither be sent nor resolved, without the value; empty if it can."""
    if own := next((name for name in names(value) if name in OWN), ""):
        return f"{own} is the key of aiops itself: no server may get it."
    if FORM.match(value) or not LEFT.search(INSIDE.sub("", value)):
        return ""
    return (
        "Of references, only env:AIOPS_SECRET_… as the whole value and ${AIOPS_SECRET_…} inside one are replaced: "
        "write one of them."
    )


def resolved(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the value with its references replaced by the variables' values; raises BadReference."""
    if value.startswith(REFERENCE):
        name = value.removeprefix(REFERENCE)
        if not name.startswith(PREFIX):
            raise BadReference(f"{name} must begin with {PREFIX}: rename the variable.")
        return _value(name, environ)
    if problem := fault(value):
        raise BadReference(problem)
    return INSIDE.sub(lambda found: _value(found[1], environ), value)


def for_header(value: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the resolved value of a header; raises BadReference, without the value, when no header can carry it."""
    found = resolved(value, environ)
    if not (found.isascii() and found.isprintable()):
        named = ", ".join(names(value)) or "A value"
        raise BadReference(f"{named} has characters that no header can carry: copy it again.")
    return found


def _value(name: str, environ: Mapping[str, str]) -> str:
    if name in OWN:
        raise BadReference(f"{name} is the key of aiops itself: no server may get it.")
    if name not in environ:
        raise BadReference(f"{name} is not set: set it, or remove the reference.")
    return environ[name].strip()
