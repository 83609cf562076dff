"""Masks secrets in text, whole or streamed: known values, well-known shapes, and configured patterns."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import regex

from aiops import untrusted
from aiops.llm import providers
from aiops.llm.providers import HANDLERS
from aiops.settings import Settings

MASK = "[redacted]"
SHAPES = (
    r"aiops_[A-Za-z0-9_\-]{40,}",
    r"gh[pousr]_[A-Za-z0-9]{36,}",
    r"xox[abpr]-[A-Za-z0-9\-]{20,}",
    r"AKIA[0-9A-Z]{16}",
    r"(?<![A-Za-z0-9_\-])eyJ[A-Za-z0-9_\-]{10,4000}\.eyJ[A-Za-z0-9_\-]{10,4000}\.[A-Za-z0-9_\-]{10,900}",
    r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----[A-Za-z0-9+/=\s\\]{0,8000}-----END [A-Z ]{0,20}PRIVATE KEY-----",
)
"""Token formats that their issuers document (as of 2026-11); bounded, so that matching stays linear. Providers of
language models add those of their keys."""
KEY_SHAPES = tuple(shape for handler in HANDLERS.values() for shape in handler.key_shapes)
MAX_SECONDS = 2.0
"""The whole text is masked when the patterns take longer than this."""
SECRET_NAMES = regex.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)", regex.IGNORECASE)
MIN_LENGTH = 8
"""Shorter values would mask ordinary words."""
SCHEMES = ("bearer", "basic", "token")
"""Words before the secret in an Authorization header."""
MAX_HELD = 9_000
"""Characters that a stream may hold back; longer than any match of a shape above."""


_learning = threading.Lock()
_learned: frozenset[str] = frozenset()
"""Values that this process resolved at run time; every redactor masks them from then on."""


def learn(value: str) -> None:
    """Let all redactors of this process mask a secret, before anything is done with it."""
    global _learned
    with _learning:
        if value not in _learned:
            _learned |= {value, *_without_scheme(value)}


class Redactor:
    """Replaces secrets by a mask."""

    def __init__(self, *, values: Iterable[str] = (), patterns: Iterable[str] = ()) -> None:
        self._values = frozenset(values)
        self._patterns = tuple(patterns)
        self._including: dict[tuple[str, ...], Redactor] = {}
        self._compile()

    def _compile(self) -> None:
        learned = _learned
        forms = {form for v in self._values | learned if len(v) >= MIN_LENGTH for form in _forms(v)}
        known = [regex.escape(value) for value in sorted(forms, key=len, reverse=True)]  # a prefix must not match first
        self._compiled = regex.compile("|".join([*known, *self._patterns, *SHAPES, *KEY_SHAPES]))
        self._knows = learned  # last, or another thread would go on with the old pattern

    @property
    def _pattern(self) -> Any:
        if self._knows is not _learned:
            self._compile()
        return self._compiled

    @classmethod
    def from_settings(cls, settings: Settings) -> Redactor:
        """Return a redactor of the settings' secrets, passwords in URLs, and variables with secret names."""
        servers, variables = settings.tool_servers.values(), providers.variables().values()
        urls = [
            *(value for value in settings.secrets() if "://" in value),
            *(settings.of_provider(one.name) for one in variables if not one.secret),
            *(str(server.get("url") or "") for server in servers),
        ]
        environments = [os.environ, *(server.get("env") or {} for server in servers)]
        values = {
            *settings.secrets(),
            *(settings.of_provider(one.name) for one in variables if one.secret),
            *(secret for url in urls for secret in _in_url(url)),
            *(str(v) for env in environments for name, v in env.items() if SECRET_NAMES.search(name)),
            *(str(v) for server in servers for v in (server.get("headers") or {}).values()),
        }
        values |= {secret for value in values for secret in _without_scheme(value)}
        return cls(values=values, patterns=settings.redact_patterns)

    def including(self, patterns: tuple[str, ...]) -> Redactor:
        """Return one that removes what matches these patterns, too; itself without any."""
        if not patterns:
            return self
        if patterns not in self._including:
            self._including[patterns] = Redactor(values=self._values, patterns=(*self._patterns, *patterns))
        return self._including[patterns]

    def redact(self, text: str) -> str:
        """Return the text with every secret masked and characters that cannot be stored removed."""
        try:
            return str(self._pattern.sub(MASK, untrusted.clean(text), timeout=MAX_SECONDS))
        except TimeoutError:
            return MASK

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
        """Split streamed text into (redacted text to show; raw tail that may begin a secret or a surrogate pair)."""
        half = untrusted.HALF_AT_END.search(text)
        whole = text[: half.start()] if half else text
        try:
            shown, tail = self._split(untrusted.clean(whole))
        except TimeoutError:
            shown, tail = MASK, ""
        return shown, tail + text[len(whole) :]

    def _split(self, text: str) -> tuple[str, str]:
        done = 0
        shown: list[str] = []
        for match in self._pattern.finditer(text, timeout=MAX_SECONDS):
            # A match at the end may grow with the next chunk.
            if match.end() == len(text) and len(text) - match.start() < MAX_HELD:
                return "".join(shown) + text[done : match.start()], text[match.start() :]
            shown += [text[done : match.start()], MASK]
            done = match.end()
        tail = self._pattern.search(text, pos=done, partial=True, timeout=MAX_SECONDS)
        start = tail.start() if tail is not None else len(text)
        if len(text) - start >= MAX_HELD:  # masked as a whole: a tail that only grows would stop the stream
            return "".join(shown) + text[done:start] + MASK, ""
        return "".join(shown) + text[done:start], text[start:]


def _forms(value: str) -> set[str]:
    """Return the value as it is and as it looks inside JSON."""
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}


def is_maskable(value: str) -> bool:
    """Return whether a secret, also without its scheme, is long enough to be masked."""
    return all(len(part) >= MIN_LENGTH for part in (value, *_without_scheme(value)))


def forms_of(value: str) -> tuple[str, ...]:
    """Return every form in which a secret, whole or without its scheme, is masked: longest first, none too short."""
    parts = [part for part in (value, *_without_scheme(value)) if len(part) >= MIN_LENGTH]
    return tuple(sorted({form for part in parts for form in _forms(part)}, key=len, reverse=True))


def _in_url(url: str) -> list[str]:
    """Return a URL's password and query values, raw and decoded."""
    parts = urlsplit(url)
    written = [pair.partition("=")[2] for pair in parts.query.split("&")]
    return [unquote(parts.password or ""), *written, *(value for _, value in parse_qsl(parts.query))]


def _without_scheme(value: str) -> list[str]:
    scheme, _, secret = value.partition(" ")
    return [secret.strip()] if scheme.lower() in SCHEMES else []
