"""Reads JSON: one object on each line, or one list of objects, which is never held as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import ijson

from aiops import untrusted
from aiops.batches.reading.source import Source
from aiops.batches.reading.values import BadFile, Row

MAX_DEPTH = 50
PARSED_AT_ONCE = 4_096
"""Few characters: ijson parses all that it is given before the depth is seen, at a cost that grows with its square."""
MAX_BYTES_OF_CHARACTER = 4
NOT_AN_OBJECT = Row({}, "The line is not a JSON object.")


def lines(source: Source, *, max_line: int) -> Iterator[Row]:
    """Yield the object of each line that is not blank; raises BadFile."""
    for line, problem in source.lines(most=max_line):
        if problem:
            yield Row({}, problem)
        elif line.strip():
            yield _object(line)


def _object(line: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Row({}, f"The line is not JSON: {str(error)[:100]}")
    return Row(value) if isinstance(value, dict) else NOT_AN_OBJECT


def of_list(source: Source, *, max_object: int) -> Iterator[Row]:
    """Yield the objects of one JSON list; raises BadFile, also for one of far more than ``max_object`` characters."""
    most = (max_object + PARSED_AT_ONCE) * MAX_BYTES_OF_CHARACTER
    parts = _Parts(source.as_utf8(at_once=PARSED_AT_ONCE), most=most)
    events = _limit_depth(ijson.parse(ijson.from_iter(parts), use_float=True))
    try:
        if next(events, ("", "", None))[1] != "start_array":
            raise BadFile("The file is not a JSON list.")
        for value in ijson.items(events, "item"):
            parts.size = 0
            yield Row(value) if isinstance(value, dict) else NOT_AN_OBJECT
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise BadFile(_problem(error, source)) from error


class _Parts:
    """Passes the parts of a file on; raises BadFile when they become too many before ``size`` is set back.

    ijson joins the parts of a text at a cost that grows with its square: one of 50 MiB would take minutes.
    """

    def __init__(self, parts: Iterator[bytes], *, most: int) -> None:
        self._parts = parts
        self._most = most
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            self.size += len(part)
            if self.size > self._most:
                raise BadFile("An object of the list is too long.")
            yield part


def _problem(error: Exception, source: Source) -> str:
    """Return what is wrong with a file; ijson's errors may be bytes, with the position in the lines after the first."""
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(error)
    first = text.partition("\n")[0].strip()[:100]
    if isinstance(error, UnicodeDecodeError) or "UTF" in first or untrusted.REPLACEMENT in text:
        return source.problem("The file")
    return f"The file is not JSON: {untrusted.clean(first)}"


def _limit_depth(events: Iterable[Any]) -> Iterator[Any]:
    """Pass events on; raises BadFile before an object is built whose nesting would break Python."""
    depth = 0
    for event in events:
        if event[1] in ("start_map", "start_array"):
            depth += 1
            if depth > MAX_DEPTH:
                raise BadFile(f"The file is nested deeper than {MAX_DEPTH}.")
        elif event[1] in ("end_map", "end_array"):
            depth -= 1
        yield event
