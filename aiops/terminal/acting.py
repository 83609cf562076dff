"""What several commands do alike: say that a call failed, and delete something."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from aiops.terminal.client import CallFailed, Client

OK, FAILED, INTERRUPTED = 0, 1, 130
P = ParamSpec("P")


def complain(why: object) -> int:
    """Say on standard error why something failed; return the exit code."""
    print(f"aiops: {why}", file=sys.stderr)
    return FAILED


def told(command: Callable[P, int | None]) -> Callable[P, int]:
    """Return a command that says why a call failed; its exit code is 0 when it returns nothing."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs) or OK
        except CallFailed as failed:
            return complain(failed)

    return run


@told
def delete(client: Client, path: str) -> None:
    """Delete what is there, and say so."""
    client.delete(path)
    print(f"{path.rstrip('/').rpartition('/')[2]}\tdeleted")
