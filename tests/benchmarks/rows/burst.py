"""(d) A thousand questions at once to a model that thinks for five seconds."""

from __future__ import annotations

import threading
from collections import Counter

from tests.benchmarks import database, load
from tests.benchmarks.checks import Check, at_most, at_most_times, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import WORKERS, Stack, in_parts

TITLE = "1,000 runs at once, 5 s model"
LIMIT_MB = 1_000
MB = 2**20
LOOK_S = 1.0


def measure(options: Options) -> list[Check]:
    count = options.some(1_000)
    room = {"AIOPS_CONCURRENCY": str(-(-count // WORKERS))}
    with database.own() as url, Stack(DATABASE_URL=url, delay_s=5, **room) as stack:
        watch = _Watch(stack)
        watch.start()
        try:
            seen = load.put(stack, count=count, clients=count, warm=2)
        finally:
            peak = watch.end()
    peer = options.peer("wall_1000_s", name="LangGraph") if count == 1_000 else None
    return [
        at_most_times(
            "until the last answer", seen.elapsed_s, "s", 0.5, peer, note=f"{seen.reopened} streams broke and went on"
        ),
        at_most("most memory of all processes, PSS", peak.total() / MB, "MB", LIMIT_MB, note=in_parts(peak, unit=MB)),
        reported("first message.delta p50", seen.first_p50_ms / 1e3, "s"),
    ]


class _Watch(threading.Thread):
    """Remembers the moment at which the processes used most."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._stack = stack
        self._ended = threading.Event()
        self._peak: Counter[str] = Counter()

    def run(self) -> None:
        while not self._ended.wait(LOOK_S):
            self._peak = max(self._peak, self._stack.memory(), key=Counter.total)

    def end(self) -> Counter[str]:
        self._ended.set()
        self.join()
        return self._peak
