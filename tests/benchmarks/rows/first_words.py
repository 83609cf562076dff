"""(a) How soon the first words come."""

from __future__ import annotations

from tests.benchmarks import database, load
from tests.benchmarks.checks import Check, at_most_times, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack

TITLE = "forty words, 1 client"


def measure(options: Options) -> list[Check]:
    with database.own() as url, Stack(DATABASE_URL=url) as stack:
        seen = load.put(stack, count=options.some(100), clients=1)
    peer = options.peer("first_event_p50_ms", name="Aegra")
    return [
        at_most_times("first message.delta p50", seen.first_p50_ms, "ms", 0.75, peer),
        reported("whole answer p50", seen.whole_p50_ms, "ms"),
    ]
