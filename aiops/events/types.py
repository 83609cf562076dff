"""The events of a run: their names, their ids and their JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

QUEUED = "run.queued"
STARTED = "run.started"
DELTA = "message.delta"
RESET = "message.reset"
COMPLETED = "message.completed"
TOOL_STARTED = "tool.started"
TOOL_FINISHED = "tool.finished"
REQUEUED = "run.requeued"
NOTICE = "notice"
SUCCEEDED = "run.succeeded"
FAILED = "run.failed"
CANCELLED = "run.cancelled"
EXPIRED = "run.expired"
RESYNC = "resync"
CHANGED = "changed"
"""Of a batch, on its live channel alone: look at its row."""
TERMINAL = frozenset({SUCCEEDED, FAILED, CANCELLED, EXPIRED})

MAX_BYTES = 64_000
"""Largest event on the wire; longer texts are cut into several deltas or shown as a preview."""
MAX_TEXT_BYTES = 50_000
"""Longest text inside one event; the whole is in the row."""
HOUSE = 1 << 40
"""First sequence number of events that no worker writes; it outranks every event of the same fence."""


@dataclass(frozen=True, slots=True)
class EventId:
    """Place of an event in its run: the claim it was written under, and its number there.

    It is also the Redis stream entry's id, so Redis itself refuses what an outdated claim still tries to write.
    """

    fence: int
    seq: int

    def __str__(self) -> str:
        return f"{self.fence}-{self.seq}"

    @classmethod
    def parse(cls, text: str) -> EventId:
        """Read ``fence-seq``; raises ValueError."""
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
    """One numbered thing that happened in a run."""

    id: EventId
    type: str
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        """Whether nothing follows."""
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
    """Return an event with the fields that all have."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Event(event_id, event_type, {"run": run_id, "fence": event_id.fence, "seq": event_id.seq, "at": at, **data})


def house(run_id: str, fence: int, step: int, event_type: str, **data: Any) -> Event:
    """Return an event that web or upkeep writes: ``step`` orders those of one fence."""
    return make(run_id, EventId(fence, HOUSE + step), event_type, data)


def completed(run_id: str, message_id: str, text: str) -> dict[str, Any]:
    """Return the data of ``message.completed``: the whole text, or its beginning and a link to the rest."""
    if len(text.encode()) <= MAX_TEXT_BYTES:
        return {"message": message_id, "text": text}
    return {"message": message_id, "text": preview(text, max_bytes=MAX_TEXT_BYTES), "link": f"/api/runs/{run_id}/"}


def preview(text: str, *, max_bytes: int) -> str:
    """Return the text, cut to so many bytes of UTF-8 with a mark when it is longer."""
    raw = text.encode()
    return text if len(raw) <= max_bytes else raw[: max_bytes - 3].decode(errors="ignore") + "…"
