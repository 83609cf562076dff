"""The values of reading: what rules a file is read by, and what each line becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CUSTOM_ID, MODEL = "custom_id", "model"
RESERVED = (CUSTOM_ID, MODEL)
"""The uses that a column of a table may have besides being data."""


class BadFile(Exception):
    """The whole file cannot be read; the message says why, and what to do."""


class BadLine(Exception):
    """The line is invalid; the message says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was found: its values by name, or the ``problem`` that kept it from being read."""

    values: Mapping[str, Any]
    problem: str = ""
    uses: Mapping[str, Any] | None = None
    """Where its ``custom_id`` and ``model`` are; None: among its values."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an item, or the ``problem`` that makes it invalid."""

    number: int
    custom_id: str
    messages: list[dict[str, str]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    """model, temperature, max_tokens, instructions and response_schema, as far as the line has them."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """How a file is read, and the limits of its lines."""

    max_message_bytes: int
    max_line_bytes: int
    template: str = ""
    """Builds the prompts from columns; empty when the lines have prompts of their own."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of a table: the column that is used as ``custom_id`` and as ``model``."""
    ignore_model: bool = False
    """Whether the models that lines name are ignored."""
    encoding: str = ""
    """The encoding of a file that is neither UTF-8 nor UTF-16."""
