"""(i) Whether a million runs make the statements slow that every run needs."""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from config.local import valkey
from config.local.home import Home
from tests.acceptance.system import eventually
from tests.benchmarks import database
from tests.benchmarks.checks import Check, Other, at_most, at_most_times
from tests.benchmarks.options import Options
from tests.benchmarks.stack import ROOT, UNLIMITED

TITLE = "a runs table of 1,000,000 rows"
ROWS = 1_000_000
ROUNDS = 12
CODE = "import django; django.setup(); from tests.benchmarks import tables; tables.main({rows})"


def measure(options: Options) -> list[Check]:
    rows = options.some(ROWS)
    with tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder, private_valkey(Path(folder)) as redis_url:
        few, many = (f"sqlite:///{folder}/{name}.sqlite3" for name in ("few", "many"))
        checks = _compare("SQLite", few, many, redis_url, rows)
        with database.own() as few, database.own() as many:
            return checks + _compare("PostgreSQL", few, many, redis_url, rows)


def _compare(name: str, few_url: str, many_url: str, redis_url: str, rows: int) -> list[Check]:
    """Measure both tables in turns, so that the machine treats them alike."""
    with _Table(few_url, redis_url, rows=0) as few, _Table(many_url, redis_url, rows=rows) as many:
        rounds = [(few.measure(), many.measure()) for _ in range(ROUNDS)]
        explained = many.explain()
    checks = []
    for what in rounds[0][0]:
        small, large = (statistics.median(one[side][what] for one in rounds) for side in (0, 1))
        checks.append(at_most_times(f"{name}, {what}, p50", large, "ms", 1.5, Other("empty table", small)))
    note = "; ".join(explained["scans"]) or f"{explained['statements']} statements explained"
    scans = len(explained["scans"])
    return [*checks, at_most(f"{name}, statements that read a whole table", scans, "", 0, note=note)]


class _Table:
    """A process that measures one database."""

    def __init__(self, url: str, redis_url: str, *, rows: int) -> None:
        environment = {"DATABASE_URL": url, "REDIS_URL": redis_url, "AIOPS_SECRET_KEY": "x" * 60, "LOG_LEVEL": "ERROR"}
        environment |= {"DJANGO_SETTINGS_MODULE": "config.settings", **UNLIMITED, "AIOPS_LEASE_S": "3600"}
        command = [sys.executable, "-c", CODE.format(rows=rows)]
        self._process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> _Table:
        assert self._process.stdout.readline().strip() == "ready", "a table could not be filled"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()
        self._process.wait(timeout=10)

    def measure(self) -> dict[str, float]:
        """Return the medians of a round, milliseconds."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def explain(self) -> dict[str, Any]:
        """Return how many statements were explained, and which of them read a whole table."""
        self._process.stdin.close()
        return json.loads(self._process.stdout.readline())


@contextlib.contextmanager
def private_valkey(folder: Path) -> Iterator[str]:
    home = Home(folder / "valkey-home")
    home.valkey.mkdir(parents=True)
    command, url = valkey.configure(home)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: valkey.is_ready(url), what="the private Valkey")
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)
