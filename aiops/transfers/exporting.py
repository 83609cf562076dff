"""Writes the rows of a table as a CSV file, which an import reads unchanged."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from aiops.transfers.tables import Table

CHUNK = 500


def export(table: Table, chosen: list[str], progress: Callable[[str, int, int], None]) -> tuple[bytes, int]:
    """Return the file (UTF-8 with a byte order mark, which Excel needs) and how many rows it has."""
    rows = table.all(chosen)
    total, done = rows.count(), 0
    text = io.StringIO(newline="")
    written = csv.DictWriter(text, list(table.columns))
    written.writeheader()
    progress("reading", 0, total)
    for row in rows.iterator(chunk_size=CHUNK):
        written.writerow(table.cells(row))
        done += 1
        if done % CHUNK == 0:
            progress("reading", done, max(total, done))
    return text.getvalue().encode("utf-8-sig"), done
