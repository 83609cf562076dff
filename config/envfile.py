"""Reads ``.env`` as editors write it, for every command alike; lines that cannot be read are refused, never dropped."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from dotenv.parser import Binding, parse_stream
from dotenv.variables import Variable, parse_variables

from aiops import untrusted

FILE = Path(".env")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")
ASSIGNMENT = re.compile(r"^[ \t]*(?:export[ \t]+)?[A-Za-z_][A-Za-z0-9_]*=[^=\s]", re.MULTILINE)
"""Inside a value of several lines it means that the quote before was not closed; the last line of a key has ``==``."""
NOT_REPLACED = "AIOPS_TOOL_SERVERS"
"""Its ``${AIOPS_SECRET_…}`` are references, which are resolved later, and an unknown name in it must be refused there:
here it would become empty."""


class Unreadable(Exception):
    """The file cannot be read; ``problems`` holds one sentence each, with the line and the cure, without values."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def read(path: Path = FILE) -> dict[str, str]:
    """Return the variables of a file, none if there is no such file; raises Unreadable."""
    if not path.is_file():
        return {}
    try:
        found, problems = parse(path.read_bytes())
    except OSError as error:
        raise Unreadable([f"{path} cannot be read ({error.strerror}): correct its rights."]) from error
    if problems:
        raise Unreadable([f"{path}: {problem}" for problem in problems])
    return found


def parse(data: bytes) -> tuple[dict[str, str], list[str]]:
    """Return the variables that can be read, and one sentence for each line that cannot."""
    try:
        text = untrusted.decoded(data)
    except untrusted.NotText as error:
        return {}, [str(error)]
    if "\0" in text:
        line = len(untrusted.LINE_END.findall(text[: text.index("\0")])) + 1
        return {}, [f"Line {line} has a NUL character: save the file as UTF-8."]
    found: dict[str, str] = {}
    problems: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        if problem := _problem(binding):
            problems.append(problem)
        elif binding.key is not None:
            found[binding.key] = _replaced(binding.key, binding.value or "", found)
    return found, problems


def _problem(binding: Binding) -> str:
    """Return what is wrong with one assignment, comment or blank line; empty if nothing is."""
    written = binding.original.string
    line = binding.original.line + len(untrusted.LINE_END.findall(written[: len(written) - len(written.lstrip())]))
    if binding.error or (binding.key is not None and (binding.value is None or not NAME.match(binding.key))):
        return f"Line {line} cannot be read: write NAME=value, with a quote on both sides of a value with spaces."
    if "\n" in (value := binding.value or "") and ASSIGNMENT.search(value.partition("\n")[2]):
        return f"Line {line} cannot be read: its value goes on over another assignment; close its quote."
    return ""


def _replaced(name: str, value: str, before: dict[str, str]) -> str:
    """Return a value with ``${NAME}`` replaced: by a variable above it, or by one of the environment."""
    known: dict[str, str | None] = {**os.environ, **before}
    return "".join(_parts(name, value, known))


def _parts(name: str, value: str, known: dict[str, str | None]) -> Iterator[str]:
    for part in parse_variables(value):
        if name == NOT_REPLACED and isinstance(part, Variable) and _is_kept(part, known):
            yield f"${{{part.name}}}"
        else:
            yield part.resolve(known)


def _is_kept(part: Variable, known: dict[str, str | None]) -> bool:
    return part.name.startswith("AIOPS_SECRET_") or (part.default is None and part.name not in known)
