"""Reads a configuration file of an MCP client: JSON with comments, ``mcpServers`` or ``servers`` with ``inputs``."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from aiops import untrusted
from aiops.errors import Invalid

MAX_SERVERS = 200
T = TypeVar("T")
STRING = r'"(?:[^"\\\n]|\\[^\n])*"?'
"""Also one without an end, to the end of its line: looking for the end again at each of its quotes would be slow."""
COMMENT = re.compile(rf"{STRING}|//[^\n]*|/\*(?:[^*]|\*(?!/))*(?:\*/)?", re.DOTALL)
TRAILING_COMMA = re.compile(rf"{STRING}|,(?=\s*[}}\]])")
NOTHING = (
    "There are no servers in it: a configuration has an object mcpServers (Claude Desktop, Cursor, Windsurf, Cline) or "
    "servers (VS Code)."
)


class Members(dict[str, Any]):
    """A JSON object that also knows its members in their order, names that are given twice included."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs

    @property
    def repeated(self) -> list[str]:
        """The names that are given more than once."""
        return [name for name, count in Counter(name for name, _ in self.pairs).items() if count > 1]


@dataclass(frozen=True, slots=True)
class Written:
    """One server as the file has it: its name there, and whatever stands after it."""

    was: str
    fields: Any


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says: its servers, in its order, and what each of its inputs asks people for."""

    servers: list[Written]
    inputs: dict[str, str]


def read(data: bytes) -> Content:
    """Return the content of a file; raises Invalid, without any of the file's values."""
    try:
        text = untrusted.decoded(data)
    except untrusted.NotText as error:
        refuse(str(error))
    content = _parsed(text)
    if not isinstance(content, Members):
        refuse("It is not a JSON object.")
    found = _members(content, ("mcpServers", "servers"), Members)
    servers = [Written(name, fields) for place in found for name, fields in place.pairs]
    if not servers:
        refuse(NOTHING)
    if len(servers) > MAX_SERVERS:
        refuse(f"It has {len(servers)} servers; the most is {MAX_SERVERS}: split it.")
    asked = [one for group in _members(content, ("inputs",), list) for one in group if isinstance(one, Members)]
    inputs = {one["id"]: str(one.get("description", "")) for one in asked if isinstance(one.get("id"), str)}
    return Content(servers, inputs)


def refuse(reason: str) -> NoReturn:
    """Raise Invalid for the whole file."""
    raise Invalid("The file cannot be imported.", errors={"file": [reason]})


def _members(content: Members, names: tuple[str, ...], kind: type[T]) -> list[T]:
    """Return the members of these names; in settings of VS Code they are inside ``mcp``."""
    inner = content.get("mcp")
    found: list[T] = []
    for holder in [content, *([inner] if isinstance(inner, Members) else [])]:
        for name, value in holder.pairs:
            if name in names and not isinstance(value, kind):
                refuse(f"{name} is not {'a list' if kind is list else 'an object'}.")
            elif name in names:
                found.append(value)
    return found


def _parsed(text: str) -> Any:
    try:
        plain = TRAILING_COMMA.sub(_blanked_comma, COMMENT.sub(_blanked_comment, text))
        return json.loads(plain, object_pairs_hook=Members, parse_constant=_refuse_constant)
    except RecursionError:
        refuse("It is nested too deep.")
    except json.JSONDecodeError as error:
        refuse(f"Line {error.lineno}, column {error.colno} is not JSON: {error.msg}.")
    except ValueError:  # such as a number of thousands of digits
        refuse("It has a number that cannot be read.")


def _blanked_comment(found: re.Match[str]) -> str:
    """Replace a comment by space, so that places in the file stay what they are; keep a text."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])


def _blanked_comma(found: re.Match[str]) -> str:
    return " " if found[0] == "," else found[0]


def _refuse_constant(name: str) -> NoReturn:
    refuse(f"It has {name}, which is not JSON.")
