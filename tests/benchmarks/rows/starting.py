"""(m) How long a second start on the same data takes, and the end."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from tests.acceptance.system import System
from tests.benchmarks.checks import Check, at_most
from tests.benchmarks.options import Options

TITLE = "starting and ending"
TIMES = 5


def measure(options: Options) -> list[Check]:
    starts, ends = [], []
    with tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder:
        system = System(Path(folder) / "home")
        for _ in range(int(options.some(TIMES)) + 1):
            begun = time.monotonic()
            system.output.clear()
            system.start()
            starts.append(time.monotonic() - begun)
            begun = time.monotonic()
            assert system.stop() == 0
            ends.append(time.monotonic() - begun)
    return [
        at_most(
            "ready again, median", statistics.median(starts[1:]), "s", 10, note=f"the first start: {starts[0]:.1f} s"
        ),
        at_most("ended, longest", max(ends), "s", 10),
    ]
