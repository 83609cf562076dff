"""What a command wrote besides messages: the end of it, and how the command ended."""

from __future__ import annotations

import re

MAX_BYTES = 8_000
MAX_LINE_CHARACTERS = 200
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Colours and what moves a terminal's cursor, other white space, control characters."""
HIDDEN = "[hidden]"
MIN_SECRET_CHARACTERS = 6
"""Of a value that is hidden: shorter ones, such as a level, would hide parts of words."""


class Output:
    """The last bytes of a command's standard error, and of lines on its standard output that are no messages."""

    def __init__(self, *, secrets: tuple[str, ...] = ()) -> None:
        self.exit_code: int | None = None
        """None while it runs; negative: ended by this signal."""
        self._secrets = sorted((s for s in secrets if len(s) >= MIN_SECRET_CHARACTERS), key=len, reverse=True)
        # A secret that begins before what is shown is kept whole, or its end would not be known for one.
        self._most = MAX_BYTES + max((len(s.encode()) for s in self._secrets), default=0)
        self._kept = b""

    def add(self, part: bytes) -> None:
        """Keep the end of what was written so far."""
        self._kept = (self._kept + part[-self._most :])[-self._most :]

    @property
    def text(self) -> str:
        """The end of the output, without control characters and without the values of the command's variables."""
        text = CONTROL.sub("", self._kept.decode(errors="replace").replace("\r\n", "\n"))
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text.encode()[-MAX_BYTES:].decode(errors="ignore").strip()

    @property
    def cause(self) -> str:
        """The line that most likely says why it failed: the last that names an error, otherwise the last."""
        lines = [line.strip() for line in self.text.splitlines() if line.strip()]
        naming = [line for line in lines if "error" in line.lower()]
        return (naming or lines or [""])[-1][:MAX_LINE_CHARACTERS]

    @property
    def ending(self) -> str:
        """How the command ended, in a sentence; empty while it runs."""
        if self.exit_code is None:
            return ""
        return (
            f"Its command was ended by signal {-self.exit_code}."
            if self.exit_code < 0
            else f"Its command ended with exit code {self.exit_code}."
        )
