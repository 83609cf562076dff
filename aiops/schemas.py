"""JSON Schemas from users: compiled without network access, with patterns that match in linear time."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

import jsonschema_rs

from aiops import untrusted

MAX_DEPTH = 100
MAX_PROBLEMS = 5
MAX_PROBLEM_CHARACTERS = 300
FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL)


class BadSchema(ValueError):
    """The schema cannot be used to validate answers; the message says why."""


class Schema:
    """A compiled schema; look-around and back-references in patterns and ``$ref`` to other documents are refused."""

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, pattern_options=jsonschema_rs.RegexOptions(), offline=True
            )
        except ValueError as error:
            raise BadSchema(str(error).partition("\n")[0][:MAX_PROBLEM_CHARACTERS]) from error

    def problems(self, text: str) -> list[str]:
        """Return at most five reasons why an answer is not JSON that fits the schema."""
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
    """Compile a schema given as JSON; raises BadSchema."""
    return Schema(json.loads(written))


def read(text: str) -> Any:
    """Return the JSON value of an answer, with or without a Markdown fence around it; raises ValueError.

    Values that cannot be stored (NaN, infinity, half surrogate pairs) are refused, too.
    """
    fenced = FENCED.fullmatch(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except RecursionError:
        raise untrusted.TooDeep("it is nested too deep") from None
    for place, reason in untrusted.faults(value, max_depth=MAX_DEPTH).items():
        raise ValueError(f"{place or 'the whole'}: {reason}")
    return value
