"""Reads a table as spreadsheets and ticket systems write it: comma, semicolon or tab, quoted cells, blank rows."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from aiops import untrusted
from aiops.batches.reading.source import TOO_LONG, Source
from aiops.batches.reading.values import BadFile, Row

SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
SAMPLE_LINES, SAMPLE_CHARACTERS = 100, 131_072
"""How much of the file's beginning the separator is guessed from."""
AGAIN_CHARACTERS = 1_000_000
"""How much more may be read a second time after bad quotes than was read once."""
SHOWN = 60
"""Characters of a cell that an error shows."""


class Table:
    """A table: its column names, and its rows one at a time. Raises BadFile when the first line names no columns."""

    def __init__(self, source: Source, *, max_row: int) -> None:
        csv.field_size_limit(max_row)  # csv's own limit is 131,072, whatever the settings allow
        self._source = source
        self._max_row = max_row
        lines = self._lines(source.lines(most=max_row))
        first = next(lines, None)
        separator = "" if first is None else _named(first.text)
        if first is not None and not separator:
            lines = chain([first], lines)
        sample = _sample(lines)
        self._separator = separator or _guess(sample)
        self._records = _Records(chain(sample, lines), self._separator, most=max_row)
        self.names = self._header([cells for cells in _cells(sample, self._separator) if any(cells)])

    def rows(self) -> Iterator[Row]:
        """Yield every row that has content; raises BadFile for text in another encoding."""
        for cells, problem in self._records:
            if problem:
                yield Row({}, problem)
            elif any(map(str.strip, cells)):
                yield Row(dict(zip(self.names, cells, strict=False)), self._misfit(cells))

    def _lines(self, lines: Iterable[tuple[str, str]]) -> Iterator[_Line]:
        for number, (text, problem) in enumerate(lines, start=1):
            if problem and problem != TOO_LONG:
                raise BadFile(f"Line {number}: {self._source.problem('the file')}")
            yield _Line(number, text, problem)

    def _header(self, sample: list[list[str]]) -> list[str]:
        """Return the names in the first row that is not blank; raises BadFile."""
        for cells, problem in self._records:
            if problem:
                raise BadFile(problem)
            names = [cell.strip() for cell in cells]
            if not any(names):
                continue
            for number, name in enumerate(names, start=1):
                if reason := untrusted.fault(name):
                    raise BadFile(f"The name of column {number}: {reason}")
            widths = Counter(sum(1 for cell in row if cell.strip()) for row in sample[1:])
            if sum(map(bool, names)) == 1 and widths and min(widths) > 1:
                raise BadFile(
                    f"The first line must name the columns, but has only {names[0][:SHOWN]!r}: if that is a title, "
                    "delete the lines above the names. If there is one column, put its texts in quotes."
                )
            if not names[-1]:
                raise BadFile(
                    f"The first line ends with {self._called} too many, so column {len(names)} has no name: "
                    "delete the empty columns, or name them."
                )
            if not all(names):
                raise BadFile(f"Column {names.index('') + 1} has no name: write one into the first line.")
            repeated = [name for name, count in Counter(names).items() if count > 1]
            if repeated:
                places = ", ".join(str(n) for n, name in enumerate(names, start=1) if name == repeated[0])
                raise BadFile(f"The name {repeated[0][:SHOWN]!r} is that of the columns {places}: rename all but one.")
            return names
        raise BadFile("The file has no lines.")

    def _misfit(self, cells: list[str]) -> str:
        """Return why a row does not fit the names; empty if it does."""
        if len(cells) == len(self.names):
            return ""
        counts = f"The line has {len(cells)} cells; the header {len(self.names)}"
        if len(cells) > len(self.names):
            if not any(map(str.strip, cells[len(self.names) :])):
                return f"{counts}: it ends with {self._called} too many."
            return f"{counts}: put texts that contain {self._called} in quotes."
        return f"{counts}."

    @property
    def _called(self) -> str:
        return SEPARATORS.get(self._separator, repr(self._separator))


@dataclass(frozen=True, slots=True)
class _Line:
    """One physical line, with its end."""

    number: int
    text: str
    problem: str


class _Records:
    """Cells of one row after the other. A quote that breaks its row spoils only the line it begins in.

    Reading goes on at the next line, so a part of the file is read twice. A file of bad quotes could make that a very
    large part: when more than a file's worth was read twice, all lines of a broken row are given up at once.
    """

    def __init__(self, lines: Iterator[_Line], separator: str, *, most: int) -> None:
        self._lines = lines
        self._separator = separator
        self._most = most
        self._waiting: deque[_Line] = deque()
        self._once = self._again = 0

    def __iter__(self) -> Iterator[tuple[list[str], str]]:
        """Yield (cells, problem) of each row; a blank line has no cells."""
        while True:
            taken: list[_Line] = []
            try:
                cells = next(csv.reader(self._take(taken), strict=True, delimiter=self._separator), None)
            except _Unreadable as error:
                yield [], str(error)
                continue
            except csv.Error as error:
                yield [], f"Line {taken[0].number} of the file is not CSV: {error}."
                self._go_on_after(taken)
                continue
            if cells is None:
                return
            yield cells, ""

    def _take(self, taken: list[_Line]) -> Iterator[str]:
        """Yield the lines of one row, noting them in ``taken``."""
        size = 0
        while (line := self._waiting.popleft() if self._waiting else next(self._lines, None)) is not None:
            if line.problem:
                if not taken:
                    raise _Unreadable(line.problem)
                self._waiting.appendleft(line)
                raise csv.Error("a quote is not closed")
            taken.append(line)
            self._once += len(line.text)
            size += len(line.text)
            if size > self._most:
                raise csv.Error(f"a quote is not closed within {self._most} characters")
            yield line.text

    def _go_on_after(self, broken: list[_Line]) -> None:
        rest = broken[1:]
        size = sum(len(line.text) for line in rest)
        if self._again + size <= self._once + AGAIN_CHARACTERS:
            self._again += size
            self._once -= size
            self._waiting.extendleft(reversed(rest))


class _Unreadable(Exception):
    """A line that is no text, or too long."""


def _sample(lines: Iterator[_Line]) -> list[_Line]:
    found, size = [], 0
    for line in islice(lines, SAMPLE_LINES):
        found.append(line)
        size += len(line.text)
        if size > SAMPLE_CHARACTERS:
            break
    return found


def _named(line: str) -> str:
    """Return the separator that Excel's line ``sep=;`` names; empty when the line is another."""
    text = line.strip("\r\n").strip('"')
    is_named = len(text) == 5 and text.lower().startswith("sep=") and (text[4] in SEPARATORS or text[4].isprintable())
    return text[4] if is_named else ""


def _guess(sample: list[_Line]) -> str:
    """Return the separator by which most rows have as many cells as the first one; a comma without any.

    Commas come last: where the names have one and each row a decimal one, semicolons and commas fit equally well.
    """
    best, chosen = (0.0, 0), ","
    for separator in reversed(SEPARATORS):
        rows = [row for row in _cells(sample, separator) if any(row)]
        if rows and len(rows[0]) > 1:
            like = sum(len(row) == len(rows[0]) for row in rows) / len(rows)
            if (like, len(rows[0])) > best:
                best, chosen = (like, len(rows[0])), separator
    if best[1]:
        return chosen
    # the first row has one cell by every separator: perhaps a title above the names
    widths = {one: min((len(row) for row in _cells(sample, one)[1:] if any(row)), default=1) for one in SEPARATORS}
    return max(SEPARATORS, key=lambda one: max(widths[one], 1))


def _cells(sample: list[_Line], separator: str) -> list[list[str]]:
    """Return the rows of a sample as far as they can be read; its last row may be cut."""
    try:
        rows = list(csv.reader((line.text for line in sample if not line.problem), delimiter=separator))
    except csv.Error:
        return []
    return rows[:-1] if len(rows) > 1 and len(sample) >= SAMPLE_LINES else rows
