"""The rotated log file of a process; a full disk must not stop the process."""

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
REPORT_EVERY_S = 60.0


class LogFile(RotatingFileHandler):
    """Writes lines unchanged; lines that cannot be written are lost, which ``say`` reports once a minute."""

    def __init__(self, path: Path, *, say: Callable[[str], None]) -> None:
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=BACKUPS, delay=True)
        self.setFormatter(logging.Formatter("%(message)s"))
        self._say = say
        self._reported_at = float("-inf")

    def write(self, line: str) -> None:
        self.handle(logging.makeLogRecord({"msg": line}))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (the base class names it so)
        if time.monotonic() - self._reported_at > REPORT_EVERY_S:
            self._reported_at = time.monotonic()
            self._say(
                f"The log {self.baseFilename} cannot be written ({sys.exception()}): make room or correct its rights."
            )

    def close(self) -> None:
        with contextlib.suppress(OSError):  # it flushes, which a full disk refuses
            super().close()
