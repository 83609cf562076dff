"""References to secrets: ``secret:NAME`` or ``env:AIOPS_SECRET_…`` as a whole value, ``${…}`` inside one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiops.secrets import variables

REFERENCE = "env:"
ROW = "secret:"
"""Before the name of a row of ``aiops.secrets``."""
PREFIX, OWN = variables.PREFIX, variables.OWN
FORM = re.compile(r"^env:AIOPS_SECRET_[A-Z0-9_]{1,100}\Z")
INSIDE = re.compile(r"\$\{(AIOPS_SECRET_[A-Z0-9_]{1,100}|secret:[A-Za-z0-9][A-Za-z0-9._\-]{0,59})\}")
OF_SECRET = re.compile(r"^secret:[A-Za-z0-9][A-Za-z0-9._\-]{0,59}\Z")
LEFT = re.compile(r"\$\{|(?<!\w)env:(?=\w)|^secret:")
"""What looks like a reference, to whatever; it is never sent as it stands."""


Secrets = Callable[[str], str]


class BadReference(ValueError):
    """A reference that cannot be resolved; the message names the variable and the cure."""


def _none(name: str) -> str:
    raise BadReference(f"The secret {name!r} cannot be used here: refer to a variable AIOPS_SECRET_….")


def names(value: str) -> list[str]:
    """Return what a value refers to: variables, and ``secret:NAME``."""
    if FORM.match(value) or OF_SECRET.match(value):
        return [value.removeprefix(REFERENCE)]
    return INSIDE.findall(value)


def secrets(values: Iterable[Any]) -> set[str]:
    """Return the names of the secrets that texts refer to."""
    found = (one for value in values if isinstance(value, str) for one in names(value))
    return {one.removeprefix(ROW) for one in found if one.startswith(ROW)}


def fault(value: str) -> str:
    """Return why a value can neither be sent nor resolved, without the value; empty if it can."""
    if own := next((name for name in names(value) if name in OWN), ""):
        return f"{own} is the key of aiops itself: no server may get it."
    if FORM.match(value) or OF_SECRET.match(value) or not LEFT.search(INSIDE.sub("", value)):
        return ""
    return (
        "Of references, only secret:NAME and env:AIOPS_SECRET_… as the whole value, and ${secret:NAME} and "
        "${AIOPS_SECRET_…} inside one, are replaced: write one of them."
    )


def resolved(value: str, environ: Mapping[str, str] = os.environ, *, secret: Secrets = _none) -> str:
    """Return the value with its references replaced; raises BadReference, or what ``secret`` raises.

    ``secret`` returns the value of the row of a name.
    """
    if OF_SECRET.match(value):
        return secret(value.removeprefix(ROW))
    if value.startswith(REFERENCE):
        name = value.removeprefix(REFERENCE)
        if not name.startswith(PREFIX):
            raise BadReference(f"{name} must begin with {PREFIX}: rename the variable.")
        return _value(name, environ)
    if problem := fault(value):
        raise BadReference(problem)
    return INSIDE.sub(
        lambda found: secret(found[1].removeprefix(ROW)) if found[1].startswith(ROW) else _value(found[1], environ),
        value,
    )


def for_header(value: str, environ: Mapping[str, str] = os.environ, *, secret: Secrets = _none) -> str:
    """Return the resolved value of a header; raises BadReference, without the value, when no header can carry it."""
    found = resolved(value, environ, secret=secret)
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
