"""A whole running system, started with ``aiops up`` as people start it, and driven through its real doors."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
import httpx_sse
import psutil
import psycopg
import redis

from tests.patience import Patience
from tests.ports import free_port

BIN = Path(sys.executable).parent
T = TypeVar("T")
TERMINAL = ("run.succeeded", "run.failed", "run.cancelled")
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of http:// alone: without it each of them reads all authorities, 20 ms of work at every look."""
PASSED_ON = ("PATH", "HOME", "LANG", "CI", "TZ")


def eventually(look: Callable[[], T], *, within_s: float = 15, what: str = "it") -> T:
    """Return the first true value of ``look``; fails after so many seconds of a machine that is not crowded."""
    patience = Patience(within_s)
    while True:
        over = patience.is_over()  # before the look: that one may have taken all the time there was
        if value := look():
            return value
        assert not over, f"{what} did not happen within {within_s:g} s"
        time.sleep(0.05)


def exit_code(process: subprocess.Popen[Any], *, within_s: float = 15) -> int:
    """Return how a process ended."""
    eventually(lambda: process.poll() is not None, within_s=within_s, what=f"the end of {process.args}")
    code: int = process.returncode
    return code


class System:
    """One ``aiops up``."""

    def __init__(self, home: Path, *arguments: str, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.env |= {"AIOPS_HOME": str(home), "AIOPS_WEB_PROCESSES": "1", **environment}
        self._arguments = arguments
        self.command = [str(BIN / "aiops"), "up"]
        self._process: subprocess.Popen[str] | None = None
        self.output: list[str] = []

    def start(self) -> System:
        """Start it and wait until it is ready; it ends itself when that takes longer than the product allows."""
        command = [*self.command, *self._ports(self._arguments), *self._arguments]
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.home.parent
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        while not any("Stop " in line for line in self.output):
            assert self._process.poll() is None, "".join(self.output)
            time.sleep(0.05)
        return self

    def _ports(self, arguments: Sequence[str]) -> list[str]:
        """Return the options by which ``aiops up`` listens nowhere that something else may."""
        ports = ["--port", str(self.port)] if "--port" not in arguments else []
        if "--flower" in arguments and "--flower-port" not in arguments:
            ports += ["--flower-port", str(free_port())]
        return ports

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self.output.append(line)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=2, verify=NO_TLS).json()["degraded"] == []
        except (httpx.HTTPError, ValueError):
            return False

    def stop(self) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        return exit_code(self._process)

    def kill(self) -> None:
        """Kill the supervisor alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=5)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def processes(self, part: str) -> list[psutil.Process]:
        """Return our processes whose command line has this part, such as ``-Q runs``."""
        found = []
        for process in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.Error):  # it may be gone by now
                if part in " ".join(process.cmdline()):
                    found.append(process)
        return found

    def signal(self, number: signal.Signals, *, worker: str = "") -> None:
        """Signal the worker of that name (host:pid:…), or all of the runs queue."""
        if worker:
            os.kill(int(worker.split(":")[1]), number)
            return
        for process in self.processes("-Q runs"):
            process.send_signal(number)

    @property
    def token(self) -> str:
        return (self.home / "token").read_text()

    def write(self, sql: str, *values: Any) -> None:
        """Change rows behind the product's back."""
        if url := self.env.get("DATABASE_URL"):
            with psycopg.connect(url, autocommit=True) as rows:
                rows.execute(sql.replace("?", "%s"), values)  # type: ignore[arg-type]
            return
        with closing(sqlite3.connect(self.home / "db.sqlite3", timeout=10)) as connection, connection:
            connection.execute(sql, values)

    @staticmethod
    def as_json(stored: Any) -> Any:
        """Return a JSON column's value: SQLite gives its text, PostgreSQL what it means."""
        return json.loads(stored) if isinstance(stored, str) else stored

    @property
    def redis_url(self) -> str:
        return self.env.get("REDIS_URL") or (self.home / "redis_url").read_text()

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url)

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        return httpx.Client(base_url=self.url, headers=headers, **{"timeout": 40, "verify": NO_TLS, **options})

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        if url := self.env.get("DATABASE_URL"):
            with psycopg.connect(url, autocommit=True, connect_timeout=5) as rows:
                return rows.execute(sql.replace("?", "%s"), values).fetchall()  # type: ignore[arg-type]
        with closing(sqlite3.connect(self.home / "db.sqlite3", timeout=10)) as connection:
            return connection.execute(sql, values).fetchall()

    def manage(self, code: str) -> str:
        """Run Python inside this system's Django."""
        done = self.cli("manage", "shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def cli(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        if arguments[0] == "up":
            arguments = ("up", *self._ports(arguments), *arguments[1:])
        command = [str(BIN / "aiops"), *arguments]
        env = {**self.env, **options.pop("env", {})}
        return subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=90, cwd=self.home.parent, **options
        )

    def ask(self, message: str, do: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Ask, and return what was accepted; ``do`` tells the scripted model what to do."""
        if do is not None:
            message = f"{message} {uuid.uuid4().hex[:8]} DO {json.dumps(do)}"
        with self.client() as client:
            answer = client.post("/api/chat/", json={"message": message, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def run(self, run_id: str, *, wait: int = 0) -> dict[str, Any]:
        with self.client() as client:
            return client.get(f"/api/runs/{run_id}/", params={"wait": wait} if wait else {}).json()

    def ended(self, run_id: str, *, within_s: float = 30) -> dict[str, Any]:
        """Wait for a run's end by polling its row, and return it."""
        last: dict[str, Any] = {}

        def look() -> bool:
            nonlocal last
            last = self.run(run_id)
            return last["state"] in ("succeeded", "failed", "cancelled")

        eventually(look, within_s=within_s, what=f"the end of {run_id}")
        return last

    def events(self, run_id: str, after: str = "", **params: str) -> Iterator[httpx_sse.ServerSentEvent]:
        """Yield a run's events until its end or the connection's."""
        headers = {"Last-Event-ID": after} if after else {}
        with (
            self.client() as client,
            httpx_sse.connect_sse(
                client, "GET", f"/api/runs/{run_id}/events", headers=headers, params=params
            ) as source,
        ):
            assert source.response.status_code in (200, 204), source.response.read()
            if source.response.status_code == 200:
                for event in source.iter_sse():
                    yield event
                    if event.event in TERMINAL:
                        return

    def until(self, run_id: str, kind: str) -> dict[str, Any]:
        """Wait for an event of this kind and return its data."""
        for event in self.events(run_id):
            if event.event == kind:
                return event.json()
            assert event.event not in TERMINAL, f"{event.event} came before {kind}: {event.data}"
        raise AssertionError(f"the stream ended before {kind}")

    def logs(self) -> str:
        return "".join(path.read_text(errors="replace") for path in sorted((self.home / "logs").glob("*")))


def answer_of(events: list[httpx_sse.ServerSentEvent]) -> str:
    """Return the answer as a watcher who obeys resets has it in the end, built from deltas alone."""
    text = ""
    for event in events:
        if event.event == "message.reset":
            text = ""
        elif event.event == "message.delta":
            text += event.json()["text"]
    return text
