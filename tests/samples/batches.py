"""The sample files of batches: ``batches/``, and what each becomes by ``batches.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("batches")
REASON = "! "
"""What comes before the reason of a line that is invalid."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One file with the options it is sent with, and what is expected."""

    file: str
    by: str
    """What wrote the file."""
    options: dict[str, Any] = field(default_factory=dict)
    lines: list[list[Any]] | None = None
    """custom_id and last message of each line, and its options where they matter."""
    refused: str = ""
    at_doors: dict[str, str] = field(default_factory=dict)
    """What only a system says, which knows the models: by custom_id, or "" when it accepts nothing."""
    unanswered: list[str] = field(default_factory=list)
    """The ids of lines to which the offline model has no answer."""

    @property
    def path(self) -> Path:
        return FOLDER / self.file

    @property
    def kind(self) -> str:
        """The format of the file: jsonl, json or csv."""
        return self.path.suffix.removeprefix(".")

    @property
    def valid(self) -> list[str]:
        """The ids of the lines that a whole system runs."""
        lines = self.lines or []
        return [one[0] for one in lines if not one[1].startswith(REASON) and one[0] not in self.at_doors]

    @property
    def answered(self) -> list[str]:
        """The ids of the lines that the offline model answers."""
        return [name for name in self.valid if name not in self.unanswered]

    def expected_at_doors(self) -> list[tuple[str, str]]:
        """Return (custom_id, last message or reason) of each line of a whole system."""
        of_doors = {name: f"{REASON}{reason}" for name, reason in self.at_doors.items()}
        return [(one[0], of_doors.get(one[0], one[1])) for one in self.lines or []]

    def __str__(self) -> str:
        return f"{self.file}: {self.by}"


def read() -> list[Sample]:
    """Return all samples."""
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
    return [Sample(**one) for one in table["sample"]]


def mismatches(expected: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> list[str]:
    """Return how found lines, (custom_id, text or reason), differ from the expected ones; reasons may be longer."""
    wrong = [f"{len(expected)} lines expected, {len(found)} found"] if len(expected) != len(found) else []
    for (name, text), (other_name, other) in zip(expected, found, strict=False):
        if text.startswith(REASON):
            same = other.startswith(REASON) and text.removeprefix(REASON) in other
        else:
            same = text == other
        if name != other_name or not same:
            wrong.append(f"expected {name}: {text!r}; found {other_name}: {other!r}")
    return wrong
