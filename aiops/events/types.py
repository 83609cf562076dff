"""The events of a run: their names, their ids and their JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiops.runs.states import State

QUEUED = "run.queued"
STARTED = "run.started"
DELTA = "message.delta"
THINKING = "message.thinking"
RESET = "message.reset"
COMPLETED = "message.completed"
TOOL_STARTED = "tool.started"
TOOL_PROGRESS = "tool.progress"
TOOL_FINISHED = "tool.finished"
REQUEUED = "run.requeued"
WAITING_APPROVAL = "run.waiting_approval"
APPROVAL_DECIDED = "approval.decided"
NOTICE = "notice"
SUCCEEDED = State.SUCCEEDED.last_event
FAILED = State.FAILED.last_event
CANCELLED = State.CANCELLED.last_event
EXPIRED = State.EXPIRED.last_event
RESYNC = "resync"
CHANGED = "changed"
"""Only on a batch's live channel: reread its row."""
TERMINAL = frozenset(state.last_event for state in State if state.facts.ended)

MAX_BYTES = 64_000
"""Largest event on the wire; a longer text is split into deltas or truncated to a preview."""
MAX_TEXT_BYTES = 50_000
"""Longest text in one event; the row has the whole text."""
FIRST_SYSTEM_SEQ = 1 << 40
"""Sequence numbers of system events start here, above every event that the worker of the same fence writes."""


@dataclass(frozen=True, slots=True)
class EventId:
    """Position of an event in its run: the fencing token of the claim that wrote it, and its number under that claim.

    It is also the id of the Redis stream entry, so Redis itself rejects writes of an outdated claim.
    """

    fence: int
    seq: int

    def __str__(self) -> str:
        return f"{self.fence}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> EventId:
        """Parse ``fence-seq``; raises ValueError."""
        fence, _, seq = text.partition("-")
        if not (text.isascii() and fence.isdecimal() and seq.isdecimal() and len(text) < 42):
            raise ValueError(f"not an event id: {text[:50]!r}")
        return cls(int(fence), int(seq))

    def __lt__(self, other: EventId) -> bool:
        return (self.fence, self.seq) < (other.fence, other.seq)


START = EventId(0, 0)
"""Before every event."""


@dataclass(frozen=True, slots=True)
class Event:
    """One numbered step of a run."""

    id: EventId
    type: str
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        """Whether it is the run's last event."""
        return self.type in TERMINAL

    def dumps(self) -> str:
        """Return the event as the JSON that is published."""
        return json.dumps([str(self.id), self.type, self.data], ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def loads(cls, text: str | bytes) -> Event:
        """Read what ``dumps`` wrote."""
        id_, type_, data = json.loads(text)
        return cls(EventId.parse(id_), type_, data)


def make(run_id: str, event_id: EventId, event_type: str, data: dict[str, Any]) -> Event:
    """Return an event with the fields that all events have."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Event(event_id, event_type, {"run": run_id, "fence": event_id.fence, "seq": event_id.seq, "at": at, **data})


def system_event(run_id: str, fence: int, place: int, event_type: str, **data: Any) -> Event:
    """Return an event written by web or maintenance, at its place (see ``Place``) among those of that fence."""
    return make(run_id, EventId(fence, FIRST_SYSTEM_SEQ + place), event_type, data)


def completed(run_id: str, message_id: str, text: str) -> dict[str, Any]:
    """Return the data of ``message.completed``: the whole text, or a truncated one and a link to the run."""
    if len(text.encode()) <= MAX_TEXT_BYTES:
        return {"message": message_id, "text": text}
    return {"message": message_id, "text": cut(text, max_bytes=MAX_TEXT_BYTES), "link": f"/api/runs/{run_id}/"}


def cut(text: str, *, max_bytes: int) -> str:
    """Return the text, truncated to so many bytes of UTF-8 and ending in "…" when it is longer."""
    raw = text.encode()
    return text if len(raw) <= max_bytes else raw[: max_bytes - 3].decode(errors="ignore") + "…"
