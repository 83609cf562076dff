"""Makes the rows of a batch's file its lines: items, or the reasons why they are none."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aiops import schemas, untrusted
from aiops.batches import template
from aiops.batches.reading import foreign, objects
from aiops.batches.reading.source import Source
from aiops.batches.reading.tables import Table
from aiops.batches.reading.values import CUSTOM_ID, MODEL, RESERVED, BadFile, BadLine, Line, Row, Rules

MAX_CUSTOM_ID = 128
MAX_MESSAGES = 100
MAX_DEPTH = objects.MAX_DEPTH
MAX_SCHEMA_BYTES = 16_384
MAX_TOKENS = 1_000_000
HOTTEST = 2
ROLES = ("user", "assistant")
OF_ANSWER = ("temperature", "max_tokens", "instructions", "response_schema")
"""What a line may ask for besides its model."""
KNOWN = {"custom_id", "prompt", "messages", "model", *OF_ANSWER}


def as_jsonl(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Return items as the JSONL file that ``read`` takes."""
    return "\n".join(json.dumps(item, ensure_ascii=False) for item in items).encode()


def as_row(line: Line) -> dict[str, Any]:
    """Return a valid line as an item of our own form, which ``read`` makes the same line again."""
    messages = [{"role": one["role"], "content": one["text"]} for one in line.messages]
    return {"custom_id": line.custom_id, "messages": messages, **line.options}


def read(pieces: Iterable[bytes], file_format: str, rules: Rules) -> Iterator[Line]:
    """Yield every line that is not blank; raises BadFile."""
    for number, row in enumerate(_rows(Source(pieces, encoding=rules.encoding), file_format, rules), start=1):
        custom_id = str(number)
        try:
            if row.problem:
                raise BadLine(row.problem)
            _check_storable(row.values)
            custom_id = _custom_id(row, number)
            yield _item(number, custom_id, row, rules)
        except BadLine as bad:
            yield Line(number, custom_id[:MAX_CUSTOM_ID], problem=str(bad))


def foreign_model(pieces: Iterable[bytes], file_format: str, rules: Rules) -> str:
    """Return the model that the first line asks another service for; empty when it is of our own form or unreadable."""
    if file_format == "csv" or rules.template:
        return ""
    try:
        row = next(_rows(Source(pieces, encoding=rules.encoding), file_format, rules), None)
        if row is None or not foreign.is_foreign(row.values):
            return ""
        _check_storable(row.values)
        return str(foreign.translate(row.values).get(MODEL, ""))
    except (BadFile, BadLine):  # its validation says why
        return ""


def _rows(source: Source, file_format: str, rules: Rules) -> Iterator[Row]:
    if file_format == "csv":
        table = Table(source, max_row=rules.max_line_bytes)
        _check_names(table.names, rules)
        return _used(table.rows(), rules)
    if rules.columns:
        raise BadFile("columns are those of a CSV file: leave them out.")
    if file_format == "json":
        return objects.of_list(source, max_object=rules.max_line_bytes)
    return objects.lines(source, max_line=rules.max_line_bytes)


def _check_names(names: list[str], rules: Rules) -> None:
    """Raise BadFile when columns are asked for that the table lacks, or has none to be used as data."""
    asked = [*template.names(rules.template), *rules.columns.values()]
    has = f"It has: {', '.join(names)}."[:500]
    if missing := sorted({name for name in asked if name not in names}):
        raise BadFile(f"The file has no column {', '.join(map(repr, missing))[:300]}. {has}")
    if not rules.template:
        if "prompt" not in names:
            raise BadFile(f"The file has no column 'prompt': give a template that makes prompts of its columns. {has}")
        if unknown := [name for name in names if name not in {"prompt", *RESERVED, *rules.columns.values()}]:
            raise BadFile(f"There is no such field: {', '.join(unknown)[:300]}. (Columns need a template.)")


def _used(rows: Iterable[Row], rules: Rules) -> Iterator[Row]:
    """Give each row of a table the uses that were asked for.

    With a template all columns are data, whatever their names: a column of an inventory may be called model. Without
    one they are the fields of lines.
    """
    taken = set(rules.columns.values())
    for row in rows:
        uses = {use: row.values.get(name, "") for use, name in rules.columns.items()}
        if rules.template:
            yield Row(row.values, row.problem, uses)
        else:
            yield Row({**{name: value for name, value in row.values.items() if name not in taken}, **uses}, row.problem)


def _item(number: int, custom_id: str, row: Row, rules: Rules) -> Line:
    if rules.template:
        fields: Mapping[str, Any] = {MODEL: _use(row, MODEL)}
        messages = [{"role": "user", "text": template.fill(rules.template, row.values)}]
    else:
        fields = foreign.translate(row.values) if foreign.is_foreign(row.values) else row.values
        if unknown := sorted(str(name) for name in set(fields) - KNOWN):
            raise BadLine(f"There is no such field: {', '.join(unknown)[:200]}. (Columns need a template.)")
        messages = _messages(fields)
    for message in messages:
        _check_text(message["text"], rules)
    return Line(number, custom_id, messages, _options(fields, rules))


def _options(fields: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """Return what a line asks for besides its messages; raises BadLine."""
    given = {name: fields[name] for name in (MODEL, *OF_ANSWER) if fields.get(name) not in (None, "")}
    if rules.ignore_model:
        given.pop(MODEL, None)
    if MODEL in given:
        _check_string(given[MODEL], MODEL, most=200)
    temperature, most = given.get("temperature", 0), given.get("max_tokens", 1)
    if not isinstance(temperature, int | float) or isinstance(temperature, bool) or not 0 <= temperature <= HOTTEST:
        raise BadLine(f"temperature must be a number from 0 to {HOTTEST}.")
    if not isinstance(most, int) or isinstance(most, bool) or not 1 <= most <= MAX_TOKENS:
        raise BadLine(f"max_tokens must be a whole number from 1 to {MAX_TOKENS}.")
    if "instructions" in given:
        _check_text(given["instructions"], rules, what="instructions")
    if "response_schema" in given:
        _check_schema(given["response_schema"])
    return given


def _check_schema(schema: Any) -> None:
    written = json.dumps(schema)
    if not isinstance(schema, dict) or len(written) > MAX_SCHEMA_BYTES:
        raise BadLine(f"response_schema must be a JSON Schema of at most {MAX_SCHEMA_BYTES} bytes.")
    try:
        schemas.compiled(written)
    except schemas.BadSchema as error:
        raise BadLine(f"response_schema is not a JSON Schema we can use: {error}") from error


def _check_storable(values: Mapping[str, Any]) -> None:
    """Raise BadLine for names and values that the database cannot store, and for nesting that breaks Python."""
    try:
        found = untrusted.faults(values, max_depth=MAX_DEPTH)
    except untrusted.TooDeep:
        raise BadLine(f"The line is nested deeper than {MAX_DEPTH}.") from None
    for place, reason in found.items():
        raise BadLine(f"{place}: {reason}")


def _use(row: Row, name: str) -> Any:
    return (row.values if row.uses is None else row.uses).get(name)


def _custom_id(row: Row, number: int) -> str:
    given = _use(row, CUSTOM_ID)
    return str(number) if given in (None, "") else _check_string(given, CUSTOM_ID, most=MAX_CUSTOM_ID)


def _messages(fields: Mapping[str, Any]) -> list[dict[str, str]]:
    if ("prompt" in fields) == ("messages" in fields):
        raise BadLine("Give either prompt or messages.")
    if "prompt" in fields:
        return [{"role": "user", "text": fields["prompt"]}]
    messages = fields["messages"]
    if not isinstance(messages, list) or not 0 < len(messages) <= MAX_MESSAGES:
        raise BadLine(f"messages must be a list of 1 to {MAX_MESSAGES}.")
    if not all(isinstance(one, dict) and set(one) == {"role", "content"} for one in messages):
        raise BadLine("Each message needs role and content, and nothing else.")
    if not all(one["role"] in ROLES for one in messages):
        raise BadLine(f"A role is one of {', '.join(ROLES)}.")
    if messages[-1]["role"] != "user":
        raise BadLine("The last message must be the user's.")
    return [{"role": one["role"], "text": one["content"]} for one in messages]


def _check_text(text: Any, rules: Rules, *, what: str = "The prompt") -> None:
    if not isinstance(text, str):
        raise BadLine(f"{what} must be a text.")
    if not text.strip():
        raise BadLine(f"{what} is blank.")
    size = len(text.encode())
    if size > rules.max_message_bytes:
        raise BadLine(f"{what} has {size} bytes; the most is {rules.max_message_bytes}.")


def _check_string(value: Any, name: str, *, most: int) -> str:
    if not isinstance(value, str) or not value.isprintable() or len(value) > most:
        raise BadLine(f"{name} must be a printable text of at most {most} characters.")
    return value
