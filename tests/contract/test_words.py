"""Words that are gone: the project speaks standard English, one term for each idea."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GONE = (
    r"told",
    r"tellings?",
    r"utterances?",
    r"recollect(ion)?s?",
    r"bench(es)?",
    r"house",
    r"anew",
    r"by the clock",
    r"gives? (its|their) runs? up",
    r"upkeep",
)
NAMES = (
    r"make bench(-against)?",
    r"^bench:|^\.PHONY: .*",
    r"bench(-\d+|-against)?\.json",
    r"test_bench_\w+",
    r"worker-upkeep",
    r"[\"'`\[/]upkeep\b",
    r"upkeep(/|@)",
    r"\bupkeep\.\w+",
    r"(queue|-Q) upkeep|upkeep queue",
    r"upkeep \d",
    r"(import outbound, |def )upkeep",
    r"aiops_upkeep\w*",
    r"UPKEEP_(QUEUE|TASK)",
    r"aiops\.upkeep",
    r"workers[./]upkeep(\.py)?",
    r"dispatch\.upkeep",
)
"""What keeps its name: commands, the queue with its worker and its health, paths, and metrics."""
SINGLE = ("README.md", "CHANGELOG.md", "Makefile", "Procfile", "docker-compose.yml", ".env.example")
SAMPLES = ROOT / "tests" / "samples"
"""Files as other programs write them, in their words and encodings."""
FILES = sorted(
    path
    for folder in ("aiops", "workers", "config", "docs", "deploy", "tests")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".html", ".js", ".css", ".md", ".yml", ".json")
    and SAMPLES not in path.parents
    and path != Path(__file__).resolve()
    and "node_modules" not in path.parts
) + [ROOT / name for name in SINGLE]


def lines_with(word: str) -> list[str]:
    gone = re.compile(rf"(?<![\w-]){word}(?![\w-])", re.IGNORECASE)
    kept = re.compile("|".join(NAMES))
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in FILES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if gone.search(kept.sub("", line))
    ]


@pytest.mark.parametrize("word", GONE)
def test_a_word_that_is_gone_stands_nowhere(word: str) -> None:
    found = lines_with(word)
    assert found == [], f"{len(found)} lines"
