"""Reads a batch's file line by line: JSONL, a JSON list or CSV becomes items, or reasons why lines are invalid."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import ijson

from aiops import untrusted
from aiops.batches import template
from aiops.batches.template import BadLine

MAX_CUSTOM_ID = 128
MAX_MESSAGES = 100
MAX_DEPTH = 50
ROLES = ("user", "assistant")
KNOWN = {"custom_id", "prompt", "messages", "model"}


class BadFile(Exception):
    """The file is not in the format that its name says; the message says why."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: an item, or the ``problem`` that makes it invalid."""

    number: int
    custom_id: str
    messages: list[dict[str, str]] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits of lines, and the ``template`` of their prompts; empty when they have prompts of their own."""

    template: str
    max_message_bytes: int
    max_line_bytes: int


def as_jsonl(items: Iterable[dict[str, Any]]) -> bytes:
    """Return items as the JSONL file that ``read`` takes."""
    return "\n".join(json.dumps(item, ensure_ascii=False) for item in items).encode()


def read(pieces: Iterable[bytes], file_format: str, rules: Rules) -> Iterator[Line]:
    """Yield every line that is not blank; raises BadFile."""
    formats = {"csv": _csv, "json": _json, "jsonl": _jsonl}
    rows = formats[file_format](pieces, rules)
    for number, (row, problem) in enumerate(rows, start=1):
        custom_id = str(number)
        try:
            if problem:
                raise BadLine(problem)
            _check_storable(row)
            custom_id = _custom_id(row, number)
            yield _item(number, custom_id, row, rules)
        except BadLine as bad:
            yield Line(number, custom_id[:MAX_CUSTOM_ID], problem=str(bad))


def _item(number: int, custom_id: str, row: dict[str, Any], rules: Rules) -> Line:
    options = {}
    if row.get("model") not in (None, ""):
        options["model"] = _string(row["model"], "model", most=200)
    if rules.template:
        messages = [{"role": "user", "text": template.fill(rules.template, row)}]
    else:
        unknown = sorted(str(name) for name in set(row) - KNOWN)
        if unknown:
            raise BadLine(f"There is no such field: {', '.join(unknown)[:200]}. (Columns need a template.)")
        messages = _messages(row)
    for message in messages:
        _check_text(message["text"], rules)
    return Line(number, custom_id, messages, options)


def _check_storable(row: dict[str, Any]) -> None:
    """Raise BadLine for names and values that the database cannot store, and for nesting that breaks Python."""
    try:
        found = untrusted.faults(row, max_depth=MAX_DEPTH)
    except untrusted.TooDeep:
        raise BadLine(f"The line is nested deeper than {MAX_DEPTH}.") from None
    for place, reason in found.items():
        raise BadLine(f"{place}: {reason}")


def _custom_id(row: dict[str, Any], number: int) -> str:
    given = row.get("custom_id")
    return str(number) if given in (None, "") else _string(given, "custom_id", most=MAX_CUSTOM_ID)


def _messages(row: dict[str, Any]) -> list[dict[str, str]]:
    if ("prompt" in row) == ("messages" in row):
        raise BadLine("Give either prompt or messages.")
    if "prompt" in row:
        return [{"role": "user", "text": row["prompt"]}]
    messages = row["messages"]
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise BadLine(f"messages must be a list of 1 to {MAX_MESSAGES}.")
    if not all(isinstance(one, dict) and set(one) == {"role", "content"} for one in messages):
        raise BadLine("Each message needs role and content, and nothing else.")
    if not all(one["role"] in ROLES for one in messages):
        raise BadLine(f"A role is one of {', '.join(ROLES)}.")
    if messages[-1]["role"] != "user":
        raise BadLine("The last message must be the user's.")
    return [{"role": one["role"], "text": one["content"]} for one in messages]


def _check_text(text: Any, rules: Rules) -> None:
    if not isinstance(text, str):
        raise BadLine("A prompt must be a text.")
    if not text.strip():
        raise BadLine("The prompt is blank.")
    size = len(text.encode())
    if size > rules.max_message_bytes:
        raise BadLine(f"The prompt has {size} bytes; the most is {rules.max_message_bytes}.")


def _string(value: Any, name: str, *, most: int) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > most:
        raise BadLine(f"{name} must be a printable text of at most {most} characters.")
    return value


def _lines(pieces: Iterable[bytes], *, max_bytes: int) -> Iterator[tuple[str, str]]:
    """Yield (line with its end, problem); a line that is too long or not UTF-8 is a problem, not an error."""
    rest, long = b"", False
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        for raw in whole:
            yield _decoded(raw + b"\n", long=long or len(raw) > max_bytes)
            long = False
        if len(rest) > max_bytes:
            rest, long = b"", True  # drop the content: an endless line must not fill the memory
    if rest or long:
        yield _decoded(rest, long=long)


def _decoded(raw: bytes, *, long: bool) -> tuple[str, str]:
    if long:
        return "", "The line is too long."
    try:
        return raw.decode("utf-8-sig"), ""
    except UnicodeDecodeError:
        return "", "The line is not UTF-8."


def _jsonl(pieces: Iterable[bytes], rules: Rules) -> Iterator[tuple[dict[str, Any], str]]:
    for line, problem in _lines(pieces, max_bytes=rules.max_line_bytes):
        if not problem and not line.strip():
            continue
        row: Any = {}
        if not problem:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                problem = f"The line is not JSON: {str(error)[:100]}"
        if not isinstance(row, dict):
            row, problem = {}, "The line is not a JSON object."
        yield row, problem


def _json(pieces: Iterable[bytes], rules: Rules) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield the objects of one JSON list one at a time, without ever holding the whole file."""
    rest = iter(pieces)
    first = next(rest, b"").removeprefix(codecs.BOM_UTF8)
    source = ijson.from_iter(filter(None, chain([first], rest)))  # an empty piece would look like the end
    events = _limit_depth(ijson.parse(source, use_float=True))
    try:
        if next(events, ("", "", None))[1] != "start_array":
            raise BadFile("The file is not a JSON list.")
        for row in ijson.items(events, "item"):
            yield (row, "") if isinstance(row, dict) else ({}, "The line is not a JSON object.")
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise BadFile(_json_problem(error)) from error


def _json_problem(error: Exception) -> str:
    """Return what is wrong with a file; ijson's errors may be bytes, with the position in the lines after the first."""
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(error)
    first = text.partition("\n")[0].strip()[:100]
    if isinstance(error, UnicodeDecodeError) or "UTF" in first or untrusted.REPLACEMENT in text:
        return "The file is not UTF-8: save it as UTF-8."
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


def _csv(pieces: Iterable[bytes], rules: Rules) -> Iterator[tuple[dict[str, Any], str]]:
    def text() -> Iterator[str]:
        for line, problem in _lines(pieces, max_bytes=rules.max_line_bytes):
            if problem:
                raise BadFile(problem)
            yield line

    csv.field_size_limit(rules.max_line_bytes)  # csv's own limit is 131,072, whatever the settings allow
    reader = csv.reader(text(), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if not header or len(set(header)) != len(header) or not all(header):
            raise BadFile("The first line must name the columns, each once.")
        for cells in reader:
            if not cells:
                continue
            problem = "" if len(cells) == len(header) else f"The line has {len(cells)} cells; the header {len(header)}."
            yield dict(zip(header, cells, strict=False)), problem
    except csv.Error as error:
        raise BadFile(f"Line {reader.line_num} is not CSV: {error}.") from error
