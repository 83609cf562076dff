"""What several commands do alike: say that a call failed, and delete something."""

from __future__ import annotations

import sys

from aiops.terminal.client import CallFailed, Client

OK, FAILED = 0, 1


def complain(failed: CallFailed) -> int:
    """Say on standard error why a call failed; return the exit code."""
    print(f"aiops: {failed}", file=sys.stderr)
    return FAILED


def delete(client: Client, path: str) -> int:
    """Delete what is there, and say so."""
    try:
        client.delete(path)
    except CallFailed as failed:
        return complain(failed)
    print(f"{path.rstrip('/').rpartition('/')[2]}\tdeleted")
    return OK
