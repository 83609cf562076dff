"""``python -m tests.benchmarks [ROW …]``: measures, prints the table, and writes the figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from aiops import log
from tests.benchmarks import machine, options, table
from tests.benchmarks.options import Options
from tests.benchmarks.rows import (
    acceptance,
    at_rest,
    batch_files,
    behind_chats,
    burst,
    chains,
    first_words,
    idle_viewers,
    large_tables,
    long_conversation,
    overhead,
    pages,
    retention,
    starting,
    throughput,
    tool_calls,
)

ROWS: dict[str, ModuleType] = {
    "a": first_words,
    "b": throughput,
    "c": overhead,
    "d": burst,
    "e": idle_viewers,
    "f": long_conversation,
    "g": tool_calls,
    "h": acceptance,
    "i": large_tables,
    "j": at_rest,
    "k": behind_chats,
    "l": retention,
    "m": starting,
    "n": batch_files,
    "o": pages,
    "p": chains,
}
FROM_OUTSIDE = ("AIOPS_", "LLM_", "OPENAI_", "OLLAMA_", "DATABASE_URL", "REDIS_URL", "CELERY_", "CHECKPOINT_")


def main(arguments: Sequence[str]) -> int:
    """Measure the rows asked for; the exit code is 1 when one could not be measured."""
    asked = _parser().parse_args(arguments)
    for name in [n for n in os.environ if n.startswith(FROM_OUTSIDE) and not n.startswith("AIOPS_BENCH_")]:
        del os.environ[name]
    os.environ["no_proxy"] = "*"
    log.configure("ERROR", redact=str)
    machine.take_two_cores()
    chosen = Options(scale=asked.scale, peers=options.peers(asked.peers))
    console = Console(width=None if sys.stdout.isatty() else 180)
    measured: dict[str, Any] = {"machine": machine.describe(), "peers": chosen.peers, "rows": []}
    rows = _rows_of(asked.json) if asked.keep else {}
    for letter in asked.rows or ROWS:
        rows[letter] = _measure(letter, chosen, console)
        measured["rows"] = [rows[known] for known in ROWS if known in rows]
        Path(asked.json).write_text(json.dumps(measured, indent=1, ensure_ascii=False) + "\n")
    for name, value in measured["machine"].items():
        console.print(f"{name}: {value}", style="dim", highlight=False)
    table.show(console, measured)
    return int(any(row["error"] for row in measured["rows"]))


def _rows_of(path: str) -> dict[str, Any]:
    return {row["letter"]: row for row in json.loads(Path(path).read_text())["rows"]}


def _measure(letter: str, chosen: Options, console: Console) -> dict[str, Any]:
    row = ROWS[letter]
    console.print(f"({letter}) {row.TITLE} …", style="dim")
    begun, error, checks = time.monotonic(), "", []
    try:
        checks = [check.as_json() for check in row.measure(chosen)]
    except Exception as failure:  # one row that cannot be measured must not cost the others
        error = f"{type(failure).__name__}: {failure}".splitlines()[0][:200]
        traceback.print_exc(limit=-4)
    took_s = round(time.monotonic() - begun, 1)
    title = row.TITLE if chosen.scale == 1 else f"{row.TITLE} (scale {chosen.scale:g})"
    return {"letter": letter, "title": title, "took_s": took_s, "error": error, "checks": checks}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], metavar="ROW", help=f"of {' '.join(ROWS)}; else all")
    parser.add_argument("--peers", default="", help="JSON of the peers' figures, measured in the same sitting")
    parser.add_argument("--json", default="bench.json", help="where the figures go")
    parser.add_argument("--keep", action="store_true", help="keep the other rows that the file has")
    parser.add_argument("--scale", type=float, default=1.0, help="less than 1 measures less, for a quick look")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
