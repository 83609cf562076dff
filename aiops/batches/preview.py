"""The preview of a file before it is sent: its first lines as the reader understands them, and how columns are used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from aiops.batches import template
from aiops.batches.lifecycle import Plan
from aiops.batches.reading.lines import foreign_model
from aiops.batches.reading.source import Source
from aiops.batches.reading.tables import Table
from aiops.batches.reading.values import CUSTOM_ID, MODEL, RESERVED, BadFile, Line
from aiops.batches.validation import NO_LINES, lines_of, rules_for
from aiops.settings import Settings

SHOWN = 5
MAX_BYTES_OF_CHARACTER = 4
MAX_LINES = 2_000
"""How many lines of the part that was sent are counted."""


@dataclass(slots=True)
class Preview:
    """What is known of a file from its beginning."""

    whole: bool
    """Whether the beginning is all of it."""
    columns: list[tuple[str, str]] = field(default_factory=list)
    """Of a table: each column's name, and what it is used as."""
    lines: list[Line] = field(default_factory=list)
    count: int = 0
    invalid: int = 0
    problem: str = ""
    """Why the file cannot be read with these options."""
    other_model: str = ""
    """The model that the first line asks for, when it is not configured."""

    @property
    def names(self) -> list[str]:
        """The columns of a table."""
        return [name for name, _ in self.columns]


def of(
    data: bytes, plan: Plan, settings: Settings, *, whole: bool, check_options: Callable[[dict[str, Any]], str]
) -> Preview:
    """Return the preview of a file that begins with ``data``."""
    seen, rules = Preview(whole), rules_for(plan, settings)
    lines: list[Line] = []
    for cut in range(1 if whole else MAX_BYTES_OF_CHARACTER):  # a part may break off within a character
        try:
            begun = data[: len(data) - cut]
            if plan.format == "csv":
                table = Table(Source([begun], encoding=plan.encoding), max_row=rules.max_line_bytes)
                seen.columns = [(name, _use(name, plan)) for name in table.names]
            every = lines_of([begun], plan.format, rules, defaults={}, check_options=lambda _: "")
            for line in islice(every, MAX_LINES):
                lines.append(line)
        except BadFile as bad:
            seen.problem = str(bad)
        if lines:
            break
    if not whole and (lines or plan.format == "json"):
        seen.problem = ""  # half a list is no list
    if whole and not lines and not seen.problem:
        seen.problem = NO_LINES
    complete = lines if whole else lines[:-1]  # the last one may be cut
    seen.lines, seen.count = complete[:SHOWN], len(complete)
    seen.invalid = sum(bool(line.problem) for line in complete)
    named = foreign_model([data], plan.format, rules)
    if named and not plan.ignore_model and check_options({**plan.defaults, "model": named}):
        seen.other_model = named
    return seen


def _use(name: str, plan: Plan) -> str:
    """Return what a column is used as, in words."""
    uses = [
        {CUSTOM_ID: "id of the line", MODEL: "model"}[use] for use, column in plan.columns.items() if column == name
    ]
    if plan.template:
        uses += ["in the template"] if name in template.names(plan.template) else []
    elif name == "prompt":
        uses.append("prompt")
    elif name in RESERVED and name not in plan.columns.values() and name not in plan.columns:
        uses.append({CUSTOM_ID: "id of the line", MODEL: "model"}[name])
    return " and ".join(uses) or "not used"
