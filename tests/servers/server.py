"""One server process of the tests' own, and what can be done to it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.conftest import missing, program
from tests.ports import free_port

START_S = 60


class Server:
    """Started by ``command``, ready when ``answers``; data stays in its folder over restarts.

    ``inside`` is what a command begins with to run on another host, such as a network namespace that has ``host``.
    """

    name = "server"

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", inside: Sequence[str] = ()) -> None:
        self.folder = folder
        self.host = host
        self._inside = list(inside)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._nft = ""
        """The program that cut it off; empty while it can be reached."""

    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with (self.folder / "output").open("ab") as output:
            command = [*self._inside, *self.command()]
            self._process = subprocess.Popen(
                command, env=self.environment(), stdout=output, stderr=output, start_new_session=True
            )
        until = time.monotonic() + START_S
        while not self.answers():
            assert self._process.poll() is None, (self.folder / "output").read_text()[-3000:]
            assert time.monotonic() < until, f"{self.name} did not start"
            time.sleep(0.1)

    def kill(self) -> None:
        """End it as a crash would."""
        for process in reversed(self._tree()):
            with suppress(psutil.Error):
                process.kill()
        assert self._process is not None
        self._process.wait(timeout=10)

    @property
    def exited(self) -> bool:
        """Whether it ended by itself."""
        return self._process is None or self._process.poll() is not None

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        for process in self._tree():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._tree():
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)

    def cut(self) -> None:
        """Drop every packet to and from it."""
        rules = f"""table inet {self._table} {{
            chain input {{
                type filter hook input priority 0;
                tcp dport {self.port} drop
                tcp sport {self.port} drop
            }}
        }}"""
        if os.geteuid() != 0:
            missing("root, which can drop packets")
        nft = program("nft", package="nftables")
        subprocess.run([*self._inside, nft, "-f", "-"], input=rules, text=True, check=True)
        self._nft = nft

    def heal(self) -> None:
        """Let packets through again, where they were dropped."""
        if self._nft:
            subprocess.run([*self._inside, self._nft, "delete", "table", "inet", self._table], check=True)
            self._nft = ""

    @property
    def _table(self) -> str:
        return f"aiops_tests_{self.port}"

    def _tree(self) -> list[psutil.Process]:
        """Return the process and all below it; the parent first, so that it starts nothing new meanwhile."""
        if self._process is None or self._process.poll() is not None:
            return []
        parent = psutil.Process(self._process.pid)
        return [parent, *parent.children(recursive=True)]

    def end(self) -> None:
        if self._process is not None:
            self.thaw()
            self.heal()
            self.kill()
