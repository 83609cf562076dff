"""Reads one batch file and prints what that took as JSON: lines, seconds, and the rise of resident memory in bytes.

python -m tests.benchmarks.reading jsonl FILE SMALL_FILE
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from aiops.batches.reading.lines import read
from aiops.batches.reading.values import Rules

PIECE_BYTES = 512_000
"""As batches store their files."""
RULES = {"max_message_bytes": 32_768, "max_line_bytes": 98_304, "ignore_model": True}
TEMPLATE = "{{host}}: {{log}}"


def main(file_format: str, path: Path, small: Path) -> None:
    rules = Rules(**RULES, template=TEMPLATE if file_format == "csv" else "")
    _count(small, file_format, rules)  # modules and buffers that the first file of a process costs
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the highest value begins again
    begun = time.perf_counter()
    lines = _count(path, file_format, rules)
    took_s = time.perf_counter() - begun
    print(json.dumps({"lines": lines, "seconds": took_s, "rise": _resident("VmHWM") - before}))


def _count(path: Path, file_format: str, rules: Rules) -> int:
    count = 0
    for line in read(_pieces(path), file_format, rules):
        assert not line.problem, line.problem
        count += 1
    return count


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _resident(name: str) -> int:
    """Return this process's resident memory in bytes: now (VmRSS), or at its highest (VmHWM)."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1]) * 1_024


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
