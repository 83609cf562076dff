"""Exit codes of commands, and the report of a failure."""

from __future__ import annotations

import sys

OK, FAILED, INTERRUPTED = 0, 1, 130


def report_failure(why: object) -> int:
    """Print on standard error why something failed; return the exit code."""
    print(f"aiops: {why}", file=sys.stderr)
    return FAILED
