"""(n) What reading the largest batch file costs, of each kind, in a process of its own."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.checks import Check, at_most, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import ROOT

TITLE = "a batch file of 50 MiB is read"
MB = 2**20
SIZE = 50 * MB
SMALL = 10_000
"""Bytes of the file that is read first, so that what only the first file costs is not counted."""
MOST_MB = 64
LOG = "Nov 24 07:12:03 web-01 kernel: blk_update_request: I/O error, dev sda, sector 1953525; größer, „später“. " * 9


def measure(options: Options) -> list[Check]:
    checks = []
    with tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder:
        for name, (file_format, write) in KINDS.items():
            size = int(SIZE * options.scale)
            large, small = Path(folder) / "large", Path(folder) / "small"
            for path, most in ((large, size), (small, SMALL)):
                with path.open("wb") as file:
                    file.writelines(write(most))
            found = _read(file_format, large, small)
            of = f"{found['lines']:,} lines, {large.stat().st_size / MB:.0f} MB"
            checks.append(at_most(f"{name}, rise of memory", found["rise"] / MB, "MB", MOST_MB, note=of))
            checks.append(reported(f"{name}, time", found["seconds"], "s"))
    return checks


def _read(file_format: str, large: Path, small: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.benchmarks.reading", file_format, str(large), str(small)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _fill(most: int, of_line: Callable[[int], bytes], *, begin: bytes = b"", end: bytes = b"") -> Iterator[bytes]:
    """Yield a file of about ``most`` bytes."""
    size, number = len(begin), 0
    yield begin
    while size < most:
        number += 1
        line = of_line(number)
        size += len(line)
        yield line
    yield end


def _jsonl(most: int) -> Iterator[bytes]:
    return _fill(most, lambda n: _json({"custom_id": f"line-{n}", "prompt": LOG}) + b"\n")


def _list(most: int) -> Iterator[bytes]:
    last = _json({"custom_id": "last", "prompt": LOG}) + b"]"
    return _fill(most, lambda n: _json({"custom_id": f"line-{n}", "prompt": LOG}) + b",\n", begin=b"[", end=last)


def _openai(most: int) -> Iterator[bytes]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": LOG}]
    to = {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o-mini", "messages": messages}}
    return _fill(most, lambda n: _json({"custom_id": f"request-{n}", **to}) + b"\n")


def _csv(most: int, *, encoding: str = "utf-8", separator: str = ",", mark: bytes = b"") -> Iterator[bytes]:
    def row(*cells: str) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=separator).writerow(cells)
        return text.getvalue().encode(encoding)

    return _fill(most, lambda n: row(str(n), "web-01", LOG), begin=mark + row("id", "host", "log"))


def _utf16(most: int) -> Iterator[bytes]:
    """Yield what Excel writes as Unicode text."""
    return _csv(most, encoding="utf-16-le", separator="\t", mark=b"\xff\xfe")


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


KINDS: dict[str, tuple[str, Callable[[int], Iterator[bytes]]]] = {
    "JSONL": ("jsonl", _jsonl),
    "OpenAI's form": ("jsonl", _openai),
    "JSON list": ("json", _list),
    "CSV": ("csv", _csv),
    "CSV in UTF-16": ("csv", _utf16),
}
