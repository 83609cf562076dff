"""Decodes a batch's file in bounded memory: UTF-8 and UTF-16 by themselves, other encodings only when one is named."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from aiops.batches.reading.values import BadFile

BUFFER_BYTES = 65_536
MARK_BYTES = 4
"""Length of the longest byte order mark."""
UNDECODED = re.compile("[\udc80-\udcff]")
"""What the error handler ``surrogateescape`` makes of bytes that are no text."""
NAMED = (
    *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "macroman", "koi8-r", "koi8-u"),
    *(f"windows-125{n}" for n in range(9)),
    *(f"iso-8859-{n}" for n in range(1, 17) if n != 12),
    *("cp437", "cp850", "cp852", "cp866", "shift_jis", "cp932", "euc-jp", "gb18030", "gbk", "big5", "euc-kr", "cp949"),
)
"""Encodings that may be named: those that editors and spreadsheets write."""
TOO_LONG = "The line is too long."
CURE = "save it as UTF-8 (in Excel: CSV UTF-8), or name its encoding: windows-1252 is that of Excel in western Europe"


def canonical(name: str) -> str:
    """Return Python's name of an encoding that may be named; empty for others."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):  # ValueError: a NUL in the name
        return ""
    return found if found in {codecs.lookup(one).name for one in NAMED} else ""


class Source:
    """The text of a file that comes in pieces."""

    def __init__(self, pieces: Iterable[bytes], *, encoding: str = "") -> None:
        """Raise BadFile when the file's beginning contradicts the named ``encoding``."""
        rest, first = iter(pieces), b""
        while len(first) < MARK_BYTES and (piece := next(rest, None)) is not None:
            first += piece
        self.encoding = _encoding_of(first[:MARK_BYTES], canonical(encoding))
        buffered = io.BufferedReader(_Pieces(chain([first], rest)), BUFFER_BYTES)
        self._text = io.TextIOWrapper(buffered, self.encoding, errors="surrogateescape", newline="")
        self._named = bool(encoding)

    def lines(self, *, most: int) -> Iterator[tuple[str, str]]:
        """Yield (line with its end, problem): longer than ``most`` characters, or not text. Raises BadFile."""
        while line := self._read_line(most):
            if len(line) > most:
                while not line.endswith(("\n", "\r")) and (line := self._read_line(most)):
                    pass  # drop the content: an endless line must not fill the memory
                yield "", TOO_LONG
            elif UNDECODED.search(line):
                yield "", self.problem("The line")
            else:
                yield line, ""

    def as_utf8(self, *, at_once: int) -> Iterator[bytes]:
        """Yield the file in UTF-8, ``at_once`` characters each, without its byte order mark. Raises BadFile.

        Bytes that are no text stay as they are.
        """
        try:
            while text := self._text.read(at_once):
                yield text.encode("utf-8", "surrogateescape")
        except UnicodeError as error:
            raise BadFile(self.problem("The file")) from error

    def problem(self, what: str) -> str:
        """Return the sentence that ``what`` is not in the encoding it is read in, with the cure."""
        name = "UTF-8" if self.encoding == "utf-8-sig" else self.encoding
        return f"{what} is not {name}: {'name another encoding' if self._named else CURE}."

    def _read_line(self, most: int) -> str:
        try:
            return self._text.readline(most + 1)
        except UnicodeError as error:
            raise BadFile(self.problem("The file")) from error


class _Pieces(io.RawIOBase):
    """A file object over pieces of bytes."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer as far as the present piece reaches; 0 only at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        target = memoryview(buffer)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _encoding_of(first: bytes, named: str) -> str:
    """Return the encoding by the file's first bytes, or the named one; raises BadFile when they contradict."""
    marks = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    if first == codecs.BOM_UTF32_LE or first == codecs.BOM_UTF32_BE:
        raise BadFile("The file is UTF-32: save it as UTF-8.")
    marked = next((name for mark, name in marks.items() if first.startswith(mark)), "")
    if marked and named and not named.startswith(marked.removesuffix("-sig")):
        shown = "UTF-8" if marked == "utf-8-sig" else "UTF-16"
        raise BadFile(f"The file begins with the mark of {shown}, not of {named}: leave encoding out.")
    if marked:
        return marked
    if named:
        return "utf-8-sig" if named == "utf-8" else named
    if len(first) >= 2 and (first[0] == 0) != (first[1] == 0):  # UTF-16 without a mark, by its first character
        return "utf-16-be" if first[0] == 0 else "utf-16-le"
    return "utf-8-sig"
