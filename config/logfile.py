"""A process's log: rotated, and never a reason for trouble of its own."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

MAX_BYTES = 5_000_000
BACKUPS = 3
TOLD_EVERY_S = 60.0


class LogFile(RotatingFileHandler):
    """Writes lines as they are; when the disk refuses them that is said once a minute, and the lines are lost."""

    def __init__(self, path: Path, *, say: Callable[[str], None]) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, delay=True)
        self.setFormatter(logging.Formatter("%(message)s"))
        self._say = say
        self._told_at = float("-inf")

    def write(self, line: str) -> None:
        """Add a line."""
        self.handle(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the base class names it so)
        """Say why a line could not be written."""
        if time.monotonic() - self._told_at > TOLD_EVERY_S:
            self._told_at = time.monotonic()
            self._say(
                f"The log {self.baseFilename} cannot be written ({sys.exception()}): make room or mend its rights."
            )

    def close(self) -> None:
        """Close the file; what could not be written is lost."""
        with contextlib.suppress(OSError):
            super().close()
