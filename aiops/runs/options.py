"""Options of a run besides its message: typed here, stored as JSON in its row."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Choice of model, limits and permissions of one run; None means that the default applies."""

    deadline_s: int
    """Counted from the start of each attempt."""
    model: str | None = None
    provider: str | None = None
    temperature: float | None = None
    force_advanced: bool = False
    """The model's advanced one answers."""
    max_tokens: int | None = None
    """The longest answer of one model call."""
    instructions: str | None = None
    """What the asker adds to the system prompt."""
    read_only: bool = False
    """Only tools that change nothing are offered."""
    answer_schema: bool = False
    """The answer must fit the response schema of the run's batch."""

    @classmethod
    def of(cls, given: dict[str, Any], *, default_deadline_s: int) -> Self:
        """Return the options among validated fields, ignoring other fields, such as a webhook."""
        known = {field.name: given[field.name] for field in fields(cls) if field.name in given}
        return cls(**{"deadline_s": default_deadline_s, **known})

    def stored(self) -> dict[str, Any]:
        """Return what the row stores as JSON: what differs from the default; the deadline is a column."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "deadline_s"}
        return {name: value for name, value in values.items() if value is not None and value is not False}
