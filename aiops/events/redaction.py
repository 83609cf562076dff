"""Hides secrets in text, whole or streamed: known values, well-known shapes, and configured patterns."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import regex

from aiops.settings import Settings

MASK = "[redacted]"
SHAPES = (
    r"aiops_[A-Za-z0-9_\-]{40,}",
    r"sk-[A-Za-z0-9_\-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"xox[abpr]-[A-Za-z0-9\-]{20,}",
    r"AKIA[0-9A-Z]{16}",
    r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{10,4000}\.eyJ[A-Za-z0-9_\-]{10,4000}\.[A-Za-z0-9_\-]{10,900}",
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,8000}-----END [A-Z ]{0,20}PRIVATE KEY-----",
)
"""Shapes of tokens whose form their makers document (as of 2026-11); bounded, so that none costs more than its text."""
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that PostgreSQL or UTF-8 refuse: NUL, and halves of surrogate pairs."""
MAX_SECONDS = 2.0
"""A configured pattern that takes longer hides the whole text."""
SECRET_NAMES = regex.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)", regex.IGNORECASE)
MIN_LENGTH = 8
"""Shorter values would hide ordinary words."""
SCHEMES = ("bearer", "basic", "token")
"""Words before the secret in an Authorization header."""
MAX_HELD = 9_000
"""Characters that a stream may hold back; longer than any shape above."""


class Redactor:
    """Replaces secrets by a mask."""

    def __init__(self, *, values: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        known = {form for v in values if len(v) >= MIN_LENGTH for form in _forms(v)}
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = regex.compile("|".join([*(regex.escape(v) for v in longest_first), *patterns, *SHAPES]))

    @classmethod
    def from_settings(cls, settings: Settings) -> Redactor:
        """Know the settings' secrets, passwords inside URLs, and the environment's variables that sound secret."""
        values = {*settings.secrets()}
        urls = [v for v in settings.secrets() if "://" in v] + [settings.openai_base_url, settings.ollama_base_url]
        urls += [str(server.get("url") or "") for server in settings.tool_servers.values()]
        values |= {secret for url in urls for secret in _in_url(url)}
        values |= {value for name, value in os.environ.items() if SECRET_NAMES.search(name)}
        values |= {str(v) for server in settings.tool_servers.values() for v in (server.get("headers") or {}).values()}
        values |= {
            str(value)
            for server in settings.tool_servers.values()
            for name, value in (server.get("env") or {}).items()
            if SECRET_NAMES.search(name)
        }
        values |= {secret for value in values for secret in _without_scheme(value)}
        return cls(values=values, patterns=settings.redact_patterns)

    def redact(self, text: str) -> str:
        """Return the text with every secret masked, and without what cannot be stored."""
        try:
            masked: str = self._pattern.sub(MASK, UNSTORABLE.sub("\ufffd", text), timeout=MAX_SECONDS)
        except TimeoutError:
            return MASK
        return masked

    def redact_json(self, value: Any) -> Any:
        """Return a JSON value with every string in it redacted."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, dict):
            return {self.redact(str(k)): self.redact_json(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_json(v) for v in value]
        return value

    def split(self, text: str) -> tuple[str, str]:
        """Split streamed text into (what may be shown, redacted; the raw tail that could begin a secret)."""
        try:
            return self._split(UNSTORABLE.sub("\ufffd", text))
        except TimeoutError:
            return MASK, ""

    def _split(self, text: str) -> tuple[str, str]:
        done = 0
        shown: list[str] = []
        for match in self._pattern.finditer(text, timeout=MAX_SECONDS):
            if match.end() == len(text) and len(text) - match.start() < MAX_HELD:
                return "".join(shown) + text[done : match.start()], text[match.start() :]
            shown += [text[done : match.start()], MASK]
            done = match.end()
        tail = self._pattern.search(text, pos=done, partial=True, timeout=MAX_SECONDS)
        start = tail.start() if tail is not None else len(text)
        if len(text) - start >= MAX_HELD:
            return "".join(shown) + text[done:start] + MASK, ""
        return "".join(shown) + text[done:start], text[start:]


def _forms(value: str) -> set[str]:
    """Return the value as it is and as JSON writes it."""
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}


def _in_url(url: str) -> list[str]:
    """Return the password and the values of the query, as written and decoded."""
    parts = urlsplit(url)
    written = [pair.partition("=")[2] for pair in parts.query.split("&")]
    return [unquote(parts.password or ""), *written, *(value for _, value in parse_qsl(parts.query))]


def _without_scheme(value: str) -> list[str]:
    scheme, _, secret = value.partition(" ")
    return [secret.strip()] if scheme.lower() in SCHEMES else []
