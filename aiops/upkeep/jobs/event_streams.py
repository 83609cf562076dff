"""Sees that every event stream ends: streams expire by themselves, one without an end is given one."""

from __future__ import annotations

from aiops import keyspace
from aiops.settings import Settings

STEP = 500


def work(settings: Settings) -> dict[str, int]:
    """Do all that is due; return counts."""
    client = keyspace.sync()
    seen = ended = 0
    for key in client.scan_iter(match=keyspace.EVENTS_PATTERN, count=STEP):
        seen += 1
        if client.ttl(key) == -1:
            client.expire(key, settings.stream_ttl_s)
            ended += 1
    return {"streams": seen, "lives_set": ended}
