"""Sets an expiry on every event stream that has none."""

from __future__ import annotations

from aiops import keyspace
from aiops.settings import Settings


def end_event_streams(settings: Settings) -> dict[str, int]:
    """Set missing expiries; return counts."""
    seen, changed = keyspace.set_missing_expiries(keyspace.sync(), keyspace.EVENTS_PATTERN, ttl_s=settings.stream_ttl_s)
    return {"streams": seen, "lives_set": changed}
