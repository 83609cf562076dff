"""What a run is to call, the servers over HTTP, and what kills servers while runs call them."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from tests.acceptance.faults.hostile.tools import TOOLS
from tests.ports import free_port
from tests.processes import running

ROOT = Path(__file__).parents[4]
MODULE = "tests.acceptance.faults.hostile"
CALLS = 20
Plan = list[tuple[str, str, str]]
"""Calls of a run, in order: server, tool, and a key that no other call has."""


def plan(number: int, servers: list[str], chance: random.Random) -> Plan:
    """Return the calls of a run: every tool once, then some that answer, in any order and of any server."""
    tools = [*TOOLS, *chance.choices(("look", "change", "garbled"), k=CALLS - len(TOOLS))]
    chance.shuffle(tools)
    return [(chance.choice(servers), tool, f"k{number}-{n}") for n, tool in enumerate(tools)]


def processes(folder: Path) -> list[psutil.Process]:
    """Return all hostile servers that are commands, whoever started them or has lost them."""
    found = []
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            line = one.cmdline()
            if MODULE in line and line[-1] == str(folder):
                found.append(one)
    return running(found)


class Kept:
    """A hostile server over HTTP that is started again whenever it ends."""

    def __init__(self, name: str, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._command = [sys.executable, "-m", MODULE, name, str(folder), str(self.port)]
        self._closing = threading.Event()
        self.process = self._start()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, cwd=ROOT)

    def _keep(self) -> None:
        while not self._closing.wait(0.1):
            if self.process.poll() is not None:
                self.process = self._start()

    def sessions(self) -> int:
        """Return how many sessions are open; -1: it does not answer."""
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/sessions", timeout=5) as answer:
            return int(json.loads(answer.read()))
        return -1

    def close(self) -> None:
        self._closing.set()
        self._thread.join()
        self.process.kill()
        self.process.wait()


class Killer:
    """Kills one hostile server after the other while it is entered; ``killed`` counts them."""

    def __init__(self, folder: Path, kept: list[Kept], chance: random.Random) -> None:
        self._folder, self._kept, self._chance = folder, kept, chance
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill, daemon=True)
        self.killed = 0

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._over.wait(self._chance.uniform(0.2, 1.5)):
            ours = [*processes(self._folder), *(psutil.Process(one.process.pid) for one in self._kept)]
            with suppress(psutil.NoSuchProcess):  # it has ended just now
                self._chance.choice(ours).kill()
                self.killed += 1
