"""Reads CSV files as people's programs save them: with or without a byte order mark, with , ; or tab, and CRLF."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t")
MAX_ROWS = 20_000
MAX_FILE_BYTES = 8_000_000
"""Ten thousand models with their parameters are less."""
MAX_CELL = 100_000
NOT_UTF8 = "The file is not UTF-8 (byte {at}): save it as CSV UTF-8."


class BadFile(ValueError):
    """The file cannot be read as a whole; ``row`` is where."""

    def __init__(self, text: str, *, row: int = 1) -> None:
        super().__init__(text)
        self.row = row


@dataclass(frozen=True, slots=True)
class Line:
    """One row: its number in a spreadsheet, and its cells by column, without the blank ones."""

    row: int
    cells: dict[str, str]
    problem: str = ""


def lines(data: bytes, *, columns: Set[str], needed: Sequence[str]) -> list[Line]:
    """Return the rows below the header; raises BadFile when there is no header that can be used."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(NOT_UTF8.format(at=error.start)) from error
    if "\0" in text:
        raise BadFile("The file has NUL characters: it is no CSV file.")
    delimiter = max(DELIMITERS, key=lambda one: len(columns & set(_first(text, one))))
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[Line] = []
    header: list[str] = []
    number = 0
    try:
        for number, cells in enumerate(rows, start=1):
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _header(cells, columns, needed, row=number)
                continue
            found.append(_line(number, header, cells))
            if len(found) > MAX_ROWS:
                raise BadFile(f"The file has more than {MAX_ROWS} rows: split it.", row=number)
    except csv.Error as error:
        raise BadFile(f"The file is no CSV here: {error}.", row=number + 1) from error
    if not header:
        raise BadFile(f"The file is empty. Its first row names the columns: {', '.join(sorted(columns))}.")
    return found


def _first(text: str, delimiter: str) -> list[str]:
    start = text.lstrip().partition("\n")[0]
    try:
        return [cell.strip() for cell in next(csv.reader([start], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _header(cells: list[str], columns: Set[str], needed: Sequence[str], *, row: int) -> list[str]:
    header = [cell.strip() for cell in cells]
    while header and not header[-1]:
        header.pop()
    known = f"There are: {', '.join(sorted(columns))}."
    if unknown := [name for name in header if name not in columns]:
        raise BadFile(f"There is no column {unknown[0]!r}. {known}", row=row)
    if twice := [name for name in header if header.count(name) > 1]:
        raise BadFile(f"The column {twice[0]!r} is there twice.", row=row)
    if missing := [name for name in needed if name not in header]:
        raise BadFile(f"The column {missing[0]!r} is missing: it says which row is meant.", row=row)
    return header


def _line(row: int, header: list[str], cells: list[str]) -> Line:
    if any(cell.strip() for cell in cells[len(header) :]):
        return Line(row, {}, f"It has {len(cells)} cells, and the header {len(header)}.")
    if any(len(cell) > MAX_CELL for cell in cells):
        return Line(row, {}, f"A cell has more than {MAX_CELL} characters.")
    return Line(row, {name: cell for name, cell in zip(header, cells, strict=False) if cell.strip()})
