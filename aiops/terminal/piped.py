"""Standard input that is no terminal: read to its end within bounds, and never waited for in silence."""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from dataclasses import dataclass

PIECE_BYTES = 65_536
SILENCE_S, PATIENCE_S = 2.0, 10.0
"""What it waits for is said once: when nothing comes for so long, or when it has not ended after so long."""
SKIP = "waiting for its end. --no-stdin skips it."


@dataclass(frozen=True, slots=True)
class Piped:
    """What came: its last bytes, its first two, and how many there were."""

    last: bytes
    start: bytes = b""
    size: int = 0


def is_there() -> bool:
    """Return whether standard input is open and no terminal."""
    return sys.stdin is not None and not sys.stdin.isatty()


def read(*, max_bytes: int) -> Piped:
    """Read standard input to its end, and keep its last ``max_bytes``."""
    source, began, noted = sys.stdin.fileno(), time.monotonic(), False
    last, start, size = bytearray(), b"", 0
    while True:
        silent = not noted and not select.select([source], [], [], SILENCE_S)[0]
        if silent or (not noted and time.monotonic() - began > PATIENCE_S):
            noted = True
            so_far = (
                f"standard input is still open after {size:,} bytes" if size else "nothing has come from standard input"
            )
            print(f"aiops: {so_far}: {SKIP}", file=sys.stderr, flush=True)
        piece = _piece(source)
        if not piece:
            return Piped(bytes(last[-max_bytes:]), start, size)
        size += len(piece)
        start = (start + piece[:2])[:2]
        last += piece
        if len(last) > 2 * max_bytes:
            del last[:-max_bytes]


def _piece(source: int) -> bytes:
    try:
        return os.read(source, PIECE_BYTES)
    except OSError as error:
        if error.errno == errno.EBADF:  # nohup replaces a terminal by something that cannot be read
            return b""
        raise
