"""Text and JSON from outside: finds or replaces characters and numbers that cannot be stored or sent."""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that PostgreSQL or UTF-8 refuse: NUL, and halves of surrogate pairs."""
HALF_AT_END = re.compile("[\ud800-\udbff]\\Z")
"""The first half of a surrogate pair whose second half may still arrive."""
REPLACEMENT = "\ufffd"
NUL = "It has a NUL character."
HALF = "It has half a surrogate pair, which is not a character."
LINE_END = re.compile(r"\r\n|\r|\n")
NOT_FINITE = "It is not a finite number."
MAX_INTEGER = 1 << 63
MAX_FAULTS = 10
MAX_PLACE_CHARACTERS = 200
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])")
"""Escape sequences of terminals (ECMA-48): colours, movements of the cursor, titles and links."""
CONTROLS = {code: None for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"}
IMAGES = re.compile(r"!\[([^\[\]\n]*)\]\([^()\n]*\)|<img\b[^<>]*>", re.IGNORECASE)
"""In Markdown and HTML: whoever shows one tells its server what its address says. No part contains the beginning of
another image, so that the time grows with the text alone.
"""
UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
"""Encodings by their byte order mark."""


class TooDeep(ValueError):
    """A JSON value is nested too deep."""


class NotText(ValueError):
    """Bytes that are no text in an encoding that is read; ``line`` is the first line that cannot be read."""

    def __init__(self, line: int) -> None:
        super().__init__(f"Line {line} is not UTF-8: save the file as UTF-8.")
        self.line = line


def decoded(data: bytes) -> str:
    """Return the text of a file as editors write it: UTF-8 with or without BOM, UTF-16 with BOM; raises NotText."""
    encoding = next((name for mark, name in UTF_16.items() if data.startswith(mark)), "utf-8")
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "ignore")
        raise NotText(len(LINE_END.findall(before)) + 1) from None


def fault(text: str) -> str:
    """Return why a text cannot be stored; empty if it can."""
    found = UNSTORABLE.search(text)
    if found is None:
        return ""
    return NUL if found[0] == "\0" else HALF


def faults(value: Any, *, max_depth: int) -> dict[str, str]:
    """Return why a JSON value cannot be stored, at most ten reasons by place (``items.0.prompt``, empty for the whole).

    Raises TooDeep.
    """
    found: dict[str, str] = {}
    left: list[tuple[str, Any, int]] = [("", value, 1)]  # a stack: recursion would fail on deep nesting
    while left and len(found) < MAX_FAULTS:
        place, one, depth = left.pop()
        if isinstance(one, str) and (reason := fault(one)):
            found[place] = reason
        elif isinstance(one, float) and not math.isfinite(one):
            found[place] = NOT_FINITE
        elif isinstance(one, dict | list):
            if depth > max_depth:
                raise TooDeep(f"it is nested deeper than {max_depth}")
            inside = list(one.items() if isinstance(one, dict) else enumerate(one))
            left += [(_place(place, step), inner, depth + 1) for step, inner in reversed(inside)]
            found |= {_place(place, step): why for step, _ in inside if (why := fault(str(step)))}
    return found


def strict(text: str, *, max_depth: int = 20) -> Any:
    """Return the value of JSON text that can be stored; raises ValueError, whose message says what is wrong."""
    try:
        value = json.loads(text)
        found = faults(value, max_depth=max_depth)
    except (TooDeep, RecursionError):
        raise ValueError(f"It is nested deeper than {max_depth}.") from None
    except ValueError as error:
        raise ValueError(f"Not JSON: {error}") from error
    if found:
        raise ValueError(" ".join(f"{place}: {reason}".removeprefix(": ") for place, reason in found.items()))
    return value


def clean(text: str) -> str:
    """Join split surrogate pairs, and replace characters that cannot be stored by U+FFFD."""
    if not UNSTORABLE.search(text):
        return text
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return joined.replace("\0", REPLACEMENT)


def plain(text: str) -> str:
    """Return a text as data that can be shown anywhere: without control characters, escape sequences and images.

    Lines end with \\n; in an image's place is what it says it shows.
    """
    text = LINE_END.sub("\n", ESCAPES.sub("", text)).translate(CONTROLS)
    return IMAGES.sub(lambda found: f"[image: {found[1] or 'of HTML'}]", clean(text))


def clean_json(value: Any) -> Any:
    """Return a JSON value with all its texts cleaned.

    Numbers that are not finite become null; integers beyond 64 bits, which MessagePack lacks, become texts. Check the
    depth with ``faults`` first: this recurses.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name) if isinstance(name, str) else name: clean_json(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [clean_json(inner) for inner in value]
    if isinstance(value, int) and not -MAX_INTEGER <= value < MAX_INTEGER:
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _place(outer: str, step: Any) -> str:
    inner = clean(str(step))
    return (f"{outer}.{inner}" if outer else inner)[:MAX_PLACE_CHARACTERS]
