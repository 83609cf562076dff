"""Matches a question to a tool by words, and fills the tool's arguments from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from aiops.llm.ranking import scores

STOP_WORDS = re.findall(
    r"\w+",
    "a an and are at be by can could did do does for from give has have how i in is it its list me my of on or please "
    "server show tell that the there this to was what when where which who why will with you your any last now tonight",
)
NAME = re.compile(r"(?<![\w.-])(?!ipv\d|e\.g)(?:[a-z][\w-]*(?:(?:\.[\w-]+)+|\d[\w-]*)|\d+(?:\.\d+){3})(?![\w-])", re.I)
"""What looks like a host: db01, web-2, db.example.org, 10.0.0.5."""


def words(text: str) -> list[str]:
    """Return the words without stop words, in lower case and singular."""
    found = re.findall(r"[a-z]+|[0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    return [re.sub(r"(?<=\w{2}[^s])s$", "", word) for word in found if word not in STOP_WORDS]


def rank(question: str, tools: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the best tool for the question (BM25 over names and descriptions); None if it knows not half its words."""
    texts = ([t["name"], t["name"], t["description"], *t["parameters"].get("properties", {})] for t in tools)
    corpus = [words(" ".join(text)) for text in texts]
    asked = [word for word in words(question) if any(word in document for document in corpus)]
    if not asked:
        return None
    found = scores(asked, corpus)
    best = found.index(max(found))
    taken = fill(question, tools[best]["parameters"], nouns=tools[best]["name"].split("_")[1:])[0].values()
    said = {word for word in words(NAME.sub("", question)) if not word.isdecimal()} - set(words(f"{[*taken]}"))
    return tools[best] if 2 * len(said & set(corpus[best])) >= len(said) else None


def fill(question: str, schema: dict[str, Any], *, nouns: Sequence[str] = ()) -> tuple[dict[str, Any], list[str]]:
    """Return (arguments found in the question, required ones that were not); a name may follow one of ``nouns``."""
    numbers = re.findall(r"(?<![\w.])\d+(?![\w.])", question)
    texts = re.findall(r"[\"'`“”]([^\"'`“”]+)[\"'`“”]", question)
    plain = (token.strip("?!.,") for token in question.split())
    texts += [token for token in plain if re.search(r"[./_\-\d]|^[A-Z]{2,}", token) and not token.isdecimal()]
    ordered = sorted(schema.get("properties", {}).items(), key=lambda p: p[1].get("type") == "string")
    values = ((name, _value(parameter, question, numbers, texts, [name, *nouns])) for name, parameter in ordered)
    found = {name: value for name, value in values if value is not None}
    return found, [name for name in schema.get("required", []) if name not in found]


def _value(schema: dict[str, Any], question: str, numbers: list[str], texts: list[str], nouns: list[str]) -> Any:
    options = schema.get("anyOf", [schema])
    kinds = {option.get("type") for option in options}
    if choices := [choice for option in options for choice in option.get("enum", [])]:
        return next((c for c in choices if set(words(question)) & set(words(str(c)))), None)
    if kinds & {"integer", "number"}:
        return int(numbers.pop(0)) if numbers else None
    if "string" not in kinds:
        return True if "boolean" in kinds and nouns[0] in question.lower().split() else None
    if texts or numbers:
        return (texts or numbers).pop(0)
    after = rf"\b(?:{'|'.join(map(re.escape, nouns))})\s+(?:named |called |of )?([\w.\-/]+)"
    running = r"\bis\s+(?:the\s+)?([\w.\-]+)\s+(?:process\s+|service\s+)?running"
    said = re.search(running, question, re.IGNORECASE) or re.search(after, question, re.IGNORECASE)
    return said[1] if said and said[1].lower() not in STOP_WORDS else None
