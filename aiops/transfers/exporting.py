"""Writes the rows of a table as a CSV file, which an import reads unchanged."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from aiops.errors import TooLarge
from aiops.transfers.reading import MAX_FILE_BYTES, MAX_ROWS
from aiops.transfers.tables import Table

CHUNK = 500
TOO_MUCH = f"More than {MAX_ROWS} rows or {MAX_FILE_BYTES // 1_000_000} MB cannot be imported again: choose fewer rows."


def export(table: Table, chosen: list[str], progress: Callable[[str, int, int], None]) -> tuple[bytes, int]:
    """Return the file (UTF-8 with a byte order mark, which Excel needs) and how many rows it has; raises TooLarge."""
    ids = list(table.all(chosen).values_list("pk", flat=True)[: MAX_ROWS + 1])
    if len(ids) > MAX_ROWS:
        raise TooLarge(TOO_MUCH)
    text = io.StringIO(newline="")
    written = csv.DictWriter(text, list(table.columns))
    written.writeheader()
    for start in range(0, len(ids), CHUNK):
        progress("reading", start, len(ids))
        # Read to its end: on SQLite, progress could not be written beside an open read.
        for row in list(table.all([str(pk) for pk in ids[start : start + CHUNK]])):
            written.writerow(table.cells(row))
        if text.tell() > MAX_FILE_BYTES:
            raise TooLarge(TOO_MUCH)
    return text.getvalue().encode("utf-8-sig"), len(ids)
