"""(j) What everything costs when nobody asks, as people start it."""

from __future__ import annotations

import time

import httpx

from tests.benchmarks.checks import Check, at_most
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack, in_parts

TITLE = "processes at rest"
MB = 2**20
SETTLE_S = 15
SECONDS = 60


def measure(options: Options) -> list[Check]:
    with Stack(echo=False) as stack:
        assert httpx.get(f"{stack.url}/health/ready", timeout=10).status_code == 200
        time.sleep(SETTLE_S)
        before, begun = stack.cpu_s(), time.monotonic()
        time.sleep(options.some(SECONDS))
        spent = stack.cpu_s() - before
        share = spent.total() / (time.monotonic() - begun) * 100
        used = stack.memory()
    return [
        at_most("memory of all processes, PSS", used.total() / MB, "MB", 450, note=in_parts(used, unit=MB)),
        at_most("processor", share, "% of a core", 2, note=f"seconds in the minute: {in_parts(spent, unit=1)}"),
    ]
