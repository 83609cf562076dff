"""Puts measured figures into docs/benchmarks.md: ``python -m tests.benchmarks.report bench.json``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tests.benchmarks import table
from tests.benchmarks.stack import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def main(path: str) -> None:
    block = f"{BEGIN}\n{table.markdown(json.loads(Path(path).read_text()))}\n{END}"
    text = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(f"{BEGIN}.*?{END}", lambda _: block, text, flags=re.DOTALL))


if __name__ == "__main__":
    main(sys.argv[1])
