"""The bytes of a file as text. It imports nothing heavy, so that the command line uses it too."""

from __future__ import annotations

import codecs

from aiops.untrusted import UTF_16

CURE = "Send text in UTF-8, or in UTF-16 with a byte order mark; `iconv -t UTF-8` converts other encodings."


class NotText(ValueError):
    """The bytes are no text; the message says why, and the cure."""


def decode(data: bytes) -> str:
    """Return the text of a file, without its byte order mark; raises NotText."""
    encoding = UTF_16.get(data[:2], "utf-8")
    mark = 2 if encoding != "utf-8" else 3 * data.startswith(codecs.BOM_UTF8)
    return _decode(data[mark:], encoding, skipped=mark)


def decode_end(data: bytes, *, start: bytes, skipped: int, max_bytes: int) -> str:
    """Return the text of a file's last bytes, from the beginning of a line if there is one; raises NotText.

    ``start`` are the first two bytes of the file, ``skipped`` is how many came before ``data``. The text has at most
    ``max_bytes`` in UTF-8.
    """
    encoding = UTF_16.get(start, "utf-8")
    begin = skipped % 2 if encoding != "utf-8" else len(data[:3]) - len(data[:3].lstrip(_CONTINUING))
    try:
        text = _decode(data[begin:], encoding, skipped=skipped + begin)
    except NotText:
        if encoding == "utf-8":
            raise
        text = _decode(data[begin + 2 :], encoding, skipped=skipped + begin + 2)  # without half a character
    text = text.encode()[-max_bytes:].decode(errors="ignore")
    return text.partition("\n")[2] or text


_CONTINUING = bytes(range(0x80, 0xC0))
"""Bytes of UTF-8 that begin no character."""


def _decode(data: bytes, encoding: str, *, skipped: int) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        place = f"byte {skipped + error.start + 1:,}"
        raise NotText(f"It is not text: {place} is not {encoding[:6].upper().rstrip('-')}. {CURE}") from None
    if "\0" in text:
        raise NotText(f"It is not text: it has NUL characters, as binary files do. {CURE}")
    return text
