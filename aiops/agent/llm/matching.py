"""Matches a question to a tool by words, and fills the tool's arguments from it."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Any

import bm25s

STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are at be by can could did do does for from give has have how i in is it its list me my of on or "
        "please server show tell that the there this to was what when where which who why will with you your",
    )
)
logging.getLogger("bm25s").setLevel(logging.WARNING)  # it asks for DEBUG when imported


def words(text: str) -> list[str]:
    """Return the words that say something, in lower case and singular."""
    found = re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    return [
        w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in found if w not in STOP_WORDS
    ]


def rank(question: str, tools: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the tool that shares most with the question (BM25 over names and descriptions), or None."""
    asked = words(question)
    corpus = [
        words(f"{t['name']} {t['name']} {t['description']} {' '.join(t['parameters']['properties'])}") for t in tools
    ]
    vocabulary = {w for document in corpus for w in document}
    asked = [w for w in asked if w in vocabulary]
    if not asked:
        return None
    index = bm25s.BM25()
    index.index(corpus, show_progress=False)
    scores = index.get_scores(asked)
    best = int(scores.argmax())
    return tools[best] if scores[best] > 0 else None


def fill(question: str, schema: dict[str, Any], *, nouns: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return (arguments found in the question, required ones that were not); a name may follow one of ``nouns``."""
    numbers = re.findall(r"(?<![\w.])\d+(?![\w.])", question)
    quoted = re.findall(r"[\"'`“”]([^\"'`“”]+)[\"'`“”]", question)
    names = [t.rstrip("?!.,") for t in question.split() if re.search(r"[./_\-\d]|^[A-Z]{2,}", t.strip("?!.,"))]
    found: dict[str, Any] = {}
    texts = quoted + [t for t in names if not t.isdecimal()]
    numeric = [n for n, p in schema.get("properties", {}).items() if p.get("type") in ("integer", "number")]
    for name in sorted(schema.get("properties", {}), key=lambda n: n not in numeric):
        value = _value(name, schema["properties"][name], question, numbers=numbers, texts=texts, nouns=nouns)
        if value is not None:
            found[name] = value
    return found, [name for name in schema.get("required", []) if name not in found]


def _value(
    name: str, schema: dict[str, Any], question: str, *, numbers: list[str], texts: list[str], nouns: Sequence[str]
) -> Any:
    choices = [c for option in schema.get("anyOf", [schema]) for c in option.get("enum", [])]
    kinds = {option.get("type") for option in schema.get("anyOf", [schema])}
    if choices:
        said = set(words(question))
        return next((c for c in choices if said & set(words(str(c)))), None)
    if kinds & {"integer", "number"}:
        return int(numbers.pop(0)) if numbers else None
    if "boolean" in kinds:
        return True if re.search(rf"\b{re.escape(name)}\b", question, re.IGNORECASE) else None
    if "string" in kinds:
        if texts:
            return texts.pop(0)
        if numbers:
            return numbers.pop(0)
        leads = "|".join(re.escape(noun) for noun in [name, *nouns])
        running = re.search(
            r"\bis\s+(?:the\s+)?([\w.\-]+)\s+(?:process\s+|service\s+)?running", question, re.IGNORECASE
        )
        if running:
            return running.group(1)
        after = re.search(rf"\b(?:{leads})\s+(?:named |called |of )?([\w.\-/]+)", question, re.IGNORECASE)
        return after.group(1) if after and after.group(1).lower() not in STOP_WORDS else None
    return None
