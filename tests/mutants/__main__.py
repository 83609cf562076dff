"""``make mutants``: takes each mechanism out of a clean working tree, runs the test that guards it, and puts it back.

``make mutants ARGS="disk clock"`` chooses by the words of the faults; ``--table`` prints the table of docs/faults.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.mutants.changes import NotFound, changed
from tests.mutants.mechanisms import MECHANISMS, Mechanism

ROOT = Path(__file__).parents[2]
FAILED = 1
"""What pytest returns when tests ran and some failed."""
LIMIT_S = 900


def table() -> str:
    """Return all mechanisms as the lines of a Markdown table."""
    lines = ["| fault | mechanism | test that fails without it |", "|---|---|---|"]
    for one in MECHANISMS:
        name = one.test.rpartition("::")[2] if "::" in one.test else one.test
        lines.append(f"| {one.fault} | {one.name} | `{name}` |")
    return "\n".join(lines)


def missed(one: Mechanism) -> tuple[bool, str]:
    """Take the mechanism out and return (whether its test failed, pytest's last line)."""
    file = ROOT / one.file
    whole = file.read_text()
    try:
        without = changed(whole, scope=one.scope, change=one.change)
    except NotFound as error:
        return False, f"{one.file}: {error}"
    environment = {**os.environ, "MATRIX": "full"} if one.full else dict(os.environ)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", one.test]
    try:
        file.write_text(without)
        ran = subprocess.run(
            command + (["-k", one.only] if one.only else []),
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    finally:
        file.write_text(whole)
    return ran.returncode == FAILED, (ran.stdout.strip().splitlines() or ["pytest said nothing"])[-1]


def main() -> int:
    """Return 0 when every mechanism was missed."""
    ask = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    ask.add_argument("words", nargs="*", help="only faults or mechanisms that have one of these words")
    ask.add_argument("--table", action="store_true", help="print the table and run nothing")
    chosen = ask.parse_args()
    if chosen.table:
        print(table())
        return 0
    look = ["git", "status", "--porcelain", "aiops", "workers", "config"]
    if subprocess.run(look, cwd=ROOT, capture_output=True).stdout:
        print("The working tree has changes in aiops, workers or config: commit them first.")
        return 2
    survived = 0
    for one in MECHANISMS:
        words = f"{one.fault} {one.name}".lower()
        if chosen.words and not any(word.lower() in words for word in chosen.words):
            continue
        begun = time.monotonic()
        failed, said = missed(one)
        survived += not failed
        mark = "missed  " if failed else "SURVIVED"
        print(f"{mark}  {one.fault}: {one.name}  ({time.monotonic() - begun:.0f} s; {said})", flush=True)
    print(f"{survived} of the mechanisms taken out were not missed." if survived else "Each was missed by its test.")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
