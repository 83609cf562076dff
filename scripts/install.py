"""Installs a lock file and aiops itself into this environment, and shows how far it is: ``scripts/install.py LOCK``.

It needs nothing but Python and its pip, and prints a line every ten seconds, on a terminal or not.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import threading
import time
from contextlib import suppress
from pathlib import Path

EVERY_S = 10
PIP = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
PINNED = re.compile(r"[A-Za-z0-9]")
FETCHED = re.compile(r"\s*(?:Collecting|Requirement already satisfied:) ")
PASSED_OVER = re.compile(r"\s*Ignoring ")
UNPACKING = re.compile(r"\s*Installing collected packages: (.*)")


class Progress:
    """What pip's output says of its progress."""

    def __init__(self, lock: str) -> None:
        self._total = sum(bool(PINNED.match(line)) for line in lock.splitlines())
        self._fetched = 0
        self._to_unpack = 0

    def read(self, line: str) -> None:
        """Take one line of pip's output."""
        if FETCHED.match(line):
            self._fetched += 1
        elif PASSED_OVER.match(line):  # a package for another system or another Python
            self._total -= 1
        elif found := UNPACKING.match(line):
            self._to_unpack = found.group(1).count(",") + 1

    def line(self, *, after_s: float, unpacked: int) -> str:
        """Return what to show; ``unpacked`` is how many packages have arrived in the environment."""
        if self._to_unpack:
            done = f"{min(unpacked, self._to_unpack)} of {self._to_unpack} packages unpacked"
        else:
            done = f"{self._fetched} of {self._total} packages fetched"
        return f"  {after_s:.0f} s: {done}"


def _unpacked(since: float) -> int:
    """Return how many packages have been written to the environment since then."""
    count = 0
    for entry in os.scandir(sysconfig.get_path("purelib")):
        if entry.name.endswith(".dist-info"):
            with suppress(FileNotFoundError):  # pip takes an older version away
                count += entry.stat().st_mtime >= since
    return count


def main(lock: str) -> int:
    """Install, and return pip's exit code; what pip printed is shown when it failed."""
    begun, since = time.monotonic(), time.time()
    progress, printed, ended = Progress(Path(lock).read_text()), [], threading.Event()
    locked = [*PIP, "--progress-bar", "off", "--require-hashes", "-r", lock]

    def report() -> None:
        while not ended.wait(EVERY_S):
            print(progress.line(after_s=time.monotonic() - begun, unpacked=_unpacked(since)), flush=True)

    reporter = threading.Thread(target=report)
    reporter.start()
    try:
        with subprocess.Popen(locked, stdout=subprocess.PIPE, text=True, errors="replace") as pip:
            for line in pip.stdout or ():
                printed.append(line)
                progress.read(line)
        code = pip.returncode
        if code:
            sys.stderr.writelines(printed[-20:])
        else:
            code = subprocess.call([*PIP, "--quiet", "--no-deps", "--no-build-isolation", "-e", "."])
    finally:
        ended.set()
        reporter.join()
    if code == 0:
        print(f"Installed in {time.monotonic() - begun:.0f} s.", flush=True)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
