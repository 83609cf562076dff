"""The logs of all processes of a home, merged by time, filtered, and followed across rotation."""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.local.logfile import BACKUPS

LEVELS = ("debug", "info", "warning", "error", "critical")
POLL_S = 0.3
SHOWN_FIRST = ("timestamp", "level", "action", "logger")
COLUMN = 8


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One line; a line that is not JSON has the time of the line before."""

    at: str
    process: str
    content: dict[str, Any] = field(compare=False)

    def text(self) -> str:
        """Format the line for people."""
        facts = " ".join(f"{key}={_plain(value)}" for key, value in self.content.items() if key not in SHOWN_FIRST)
        level, action = str(self.content.get("level", "")), self.content.get("action", "")
        return f"{self.at[11:23]:<12} {self.process:<14} {level:<{COLUMN}} {action} {facts}".rstrip()


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter: lines with one id (of a run, conversation, batch …), from one level up, of some processes."""

    id: str = ""
    level: str = "debug"
    process: str = ""

    def __contains__(self, line: Line) -> bool:
        level = str(line.content.get("level", "info")).lower()
        loud = LEVELS.index(level) >= LEVELS.index(self.level) if level in LEVELS else True
        named = not self.id or self.id in map(str, line.content.values())
        return loud and named and line.process.startswith(self.process)


def past(folder: Path, *, count: int, wanted: Wanted) -> list[Line]:
    """Return the last lines of all logs, ordered by time."""
    every = (line for path in sorted(folder.glob("*.log")) for line in _whole(path) if line in wanted)
    return sorted(heapq.nlargest(count, every))


def follow(folder: Path, *, wanted: Wanted) -> Iterator[Line]:
    """Yield lines as they are written, without end; also from new and rotated files."""
    places: dict[Path, tuple[int, int]] = {path: _end(path) for path in folder.glob("*.log")}
    while True:
        found: list[Line] = []
        for path in folder.glob("*.log"):
            lines, places[path] = _since(path, places.get(path, (0, 0)))
            found += [line for line in lines if line in wanted]
        yield from sorted(found)
        time.sleep(POLL_S)


def _whole(path: Path) -> Iterator[Line]:
    """Yield the lines of a log and its rotated parts, oldest first."""
    parts = [path.with_name(f"{path.name}.{n}") for n in range(BACKUPS, 0, -1)]
    for part in [*parts, path]:
        if part.exists():
            with part.open(errors="replace") as file:
                yield from _lines(file, path)


def _end(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size


def _since(path: Path, place: tuple[int, int]) -> tuple[list[Line], tuple[int, int]]:
    """Return complete lines after a place (inode, bytes), and the next place; read a rotated file from its start."""
    try:
        with path.open("rb") as file:
            inode, size = _end(path)
            begin = place[1] if place[0] == inode and place[1] <= size else 0
            file.seek(begin)
            whole, _, rest = file.read().rpartition(b"\n")
            end = file.tell() - len(rest)
    except FileNotFoundError:
        return [], (0, 0)
    return list(_lines(whole.decode(errors="replace").splitlines(), path)), (inode, end)


def _lines(lines: Any, path: Path) -> Iterator[Line]:
    at = ""
    for raw in lines:
        text = raw.rstrip("\n")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            content = {"action": text}
        at = str(content.get("timestamp", at))
        yield Line(at, path.name.removesuffix(".log"), content)


def _plain(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(character if character.isprintable() else " " for character in text)
