"""Finds what looks like a secret in a configuration file, by its name or its form; see ``events.redaction``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import parse_qsl, urlsplit

from aiops.events.redaction import SCHEMES, SECRET_NAMES, Redactor

WITH_SCHEME = re.compile(rf"\b(?:{'|'.join(SCHEMES)})\s+[^\s\"']{{8,}}", re.IGNORECASE)
URL = re.compile(r"(?<![a-zA-Z0-9+.\-])[a-zA-Z][a-zA-Z0-9+.\-]*://\S+")
ASSIGNED = re.compile(r"^-{0,2}([A-Za-z0-9_.\-]+)=(.+)", re.DOTALL)
"""``--api-key=…``, ``API_KEY=…``"""
OPTION = re.compile(r"^--?([A-Za-z][A-Za-z0-9_.\-]*)\Z")
HEADER = re.compile(r"(?:authorization|cookie|(?:[a-z0-9]+-)+(?:key|token|secret|auth))\s*:\s*\S", re.IGNORECASE)
"""``Authorization: …``, as an argument."""
NO_SECRET = re.compile(r"(?:file|path|dir|env|var|name|limit|max[_\-]?tokens)\Z", re.IGNORECASE)
"""Endings of options that say where a secret is, or how many tokens there are."""
LONG = re.compile(r"(?=(?:[^0-9]*[0-9]){4})(?=[0-9_\-=]*[A-Za-z])[A-Za-z0-9_\-=]{32,}\Z")
"""A word of letters and digits that is too long to be one of a language."""
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
"""Ids of tenants and organisations, which some addresses have; not secret by their form."""


class SecretFinder:
    """Says whether texts look like secrets."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def is_secret(self, name: str, value: str) -> bool:
        """Return whether a variable looks like a secret."""
        return bool(SECRET_NAMES.search(name)) or self.has_secret(value)

    def has_secret(self, text: str) -> bool:
        """Return whether a text has something of a secret's form: a known one, a scheme with one, one in a URL."""
        return (
            self._redactor.redact(text) != text
            or bool(WITH_SCHEME.search(text))
            or any(_in_url(found[0]) for found in URL.finditer(text))
        )

    def in_address(self, url: str) -> bool:
        """Return whether the address of a server has a secret, also as a part of its path."""
        parts = urlsplit(url)
        return self.has_secret(url) or any(_is_long(part) for part in parts.path.split("/"))

    def in_arguments(self, args: Sequence[str]) -> bool:
        """Return whether the arguments of a command have a secret: in one of them, or as the value of an option."""
        following = (*args[1:], "")
        return any(
            self.has_secret(one)
            or bool(HEADER.match(one))
            or _is_long(one)
            or _is_assigned(one)
            or (_asks_for_secret(one) and bool(after) and not after.startswith("-"))
            for one, after in zip(args, following, strict=False)
        )


def _is_long(word: str) -> bool:
    return bool(LONG.match(word)) and not word.startswith("-") and not UUID.match(word)


def _is_assigned(argument: str) -> bool:
    found = ASSIGNED.match(argument)
    return found is not None and _is_secret_name(found[1])


def _asks_for_secret(argument: str) -> bool:
    found = OPTION.match(argument)
    return found is not None and _is_secret_name(found[1])


def _is_secret_name(name: str) -> bool:
    return bool(SECRET_NAMES.search(name)) and not NO_SECRET.search(name)


def _in_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        values = parse_qsl(parts.query)
    except ValueError:
        return True  # whatever it is, it cannot be looked into
    user = parts.username if parts.scheme in ("http", "https") else ""
    return bool(parts.password or user) or any(SECRET_NAMES.search(name) and value for name, value in values)
