"""JSON Schemas that others wrote: compiled without the network, and with patterns that match in linear time."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import jsonschema_rs

MAX_PROBLEMS = 5
MAX_PROBLEM_CHARACTERS = 300
FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)


class BadSchema(ValueError):
    """This is no JSON Schema that answers could be held against; the message says why."""


class Schema:
    """One compiled schema; look-around and back-references are refused in patterns, and so are ``$ref`` elsewhere."""

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, pattern_options=jsonschema_rs.RegexOptions(), offline=True
            )
        except ValueError as error:
            raise BadSchema(str(error).partition("\n")[0][:MAX_PROBLEM_CHARACTERS]) from error

    def problems(self, text: str) -> list[str]:
        """Return what is wrong with an answer, at most five things; nothing when it is JSON that fits."""
        try:
            value = read(text)
        except ValueError as error:
            return [f"It is not JSON: {str(error)[:MAX_PROBLEM_CHARACTERS]}"]
        found: list[str] = []
        for wrong in self._validator.iter_errors(value):
            place = "/".join(map(str, wrong.instance_path))
            found.append(f"{place or 'the whole'}: {wrong.message}"[:MAX_PROBLEM_CHARACTERS])
            if len(found) == MAX_PROBLEMS:
                break
        return found


@functools.lru_cache(maxsize=64)
def compiled(written: str) -> Schema:
    """Return the schema that a JSON text holds; raises BadSchema."""
    return Schema(json.loads(written))


def read(text: str) -> Any:
    """Return the JSON value of an answer, also when it stands in a fence of Markdown; raises ValueError."""
    fenced = FENCED.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
