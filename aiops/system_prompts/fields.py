"""The fields of a system prompt, such as {current_date}: which there are, and their replacement."""

from __future__ import annotations

import string
from collections.abc import Mapping

USER = "user"
FIELDS = ("current_date", "current_month", "model_name", "tool_names", USER)
MAX_BYTES = 32_768
MARK = "\N{INVISIBLE SEPARATOR}user\N{INVISIBLE SEPARATOR}"
"""Stands for the asker's name in a prompt that the runs of many people share."""


def problem(text: str) -> str:
    """Return why a prompt cannot be used; empty if it can."""
    try:
        found = list(string.Formatter().parse(text))
    except ValueError as error:
        return f"{error}: write {{{{ and }}}} for braces that are no field."
    for _, name, form, conversion in found:
        if name is None:
            continue
        if name not in FIELDS:
            known = ", ".join(f"{{{one}}}" for one in FIELDS)
            return f"There is no field {{{name[:40]}}}: there are {known}. Write {{{{ and }}}} for other braces."
        if form or conversion:
            return f"The field {{{name}}} takes no format."
    return ""


def fill(text: str, values: Mapping[str, str]) -> str:
    """Return the prompt with these fields replaced, and {user} by ``MARK``."""
    parts = []
    for literal, name, _, _ in string.Formatter().parse(text):
        parts.append(literal)
        if name is not None:
            parts.append(MARK if name == USER else values[name])
    return "".join(parts)


def uses(text: str, field: str) -> bool:
    """Return whether a prompt has a field."""
    return any(name == field for _, name, _, _ in string.Formatter().parse(text))
