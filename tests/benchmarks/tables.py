"""Times what every run needs of the database, in rounds; a process of its own for each database.

    DATABASE_URL=… REDIS_URL=… AIOPS_SECRET_KEY=… DJANGO_SETTINGS_MODULE=config.settings \\
        python -c "import django; django.setup(); from tests.benchmarks import tables; tables.main(1_000_000)"

Says ``ready`` when the table is full, then measures one round for every line it reads, and prints it as JSON; at the
end of its input it explains the statements.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client

from aiops import database, dispatch, keyspace
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs import reaper, transitions
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.states import State
from tests.benchmarks.filling import fill

CLAIMS, LOOKS, BACKLOG, PAGE = 20, 10, 100, 50
SCANS = {
    "sqlite": re.compile(
        r"^SCAN conversations_\w+$|^SCAN conversations_\w+ USING (?:COVERING )?INDEX sqlite_autoindex"
    ),
    "postgresql": re.compile(r"Seq Scan on conversations_\w+"),
}


class Statements:
    """Every SELECT and UPDATE of some work, to be explained."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "UPDATE")):
            self.seen.setdefault(sql, params)
        return execute(sql, params, many, context)

    def scans(self) -> list[str]:
        """Return what reads a whole table, as the database explains it."""
        found = []
        prefix = "EXPLAIN QUERY PLAN " if connection.vendor == "sqlite" else "EXPLAIN "
        for sql, params in self.seen.items():
            with connection.cursor() as cursor:
                cursor.execute(prefix + sql, params)
                lines = [str(row[-1]).strip() for row in cursor.fetchall()]
            found += [f"{line}: {sql[:200]}" for line in lines if SCANS[connection.vendor].search(line)]
        return found


class Person:
    """The owner of all runs, who also asks for lists of them."""

    def __init__(self) -> None:
        self.user = User.objects.create_user("ann", password="correct-horse-battery")
        _, text = tokens.issue(self.user, name="benchmark")
        self._client = Client(SERVER_NAME="localhost", headers={"Authorization": f"Bearer {text}"})

    def ask(self, count: int) -> list[Run]:
        runs = []
        for _ in range(count):
            with transaction.atomic():
                runs.append(accept(self.user, NewMessage("hi", RunOptions(deadline_s=120)), max_queued=1_000_000).run)
        return runs

    def list(self) -> None:
        answer = self._client.get("/api/runs/")
        assert len(answer.json()["results"]) == 50, answer.content[:300]
        ended = self._client.get("/api/runs/?state=succeeded")
        assert len(ended.json()["results"]) == 50, ended.content[:300]


def measure(person: Person, statements: Statements) -> dict[str, float]:
    """Return medians in milliseconds, with a backlog and running runs as on a busy day."""
    queued = person.ask(CLAIMS)
    claims = iter(queued)
    with connection.execute_wrapper(statements):
        return {
            "claim": _median_ms(lambda: _claim(next(claims)), range(CLAIMS)),
            "list": _median_ms(person.list, range(LOOKS)),
            "reaper tick": _median_ms(_tick, range(LOOKS)),
        }


def _claim(run: Run) -> None:
    assert transitions.claim(str(run.pk), worker="benchmark", lease_s=django_settings.SETTINGS.lease_s) is not None


def _tick() -> None:
    assert reaper.reap(django_settings.SETTINGS) == {"taken_back": 0, "sent_again": 0}


def _median_ms(act: Callable[[], None], times: Iterable[int]) -> float:
    took = []
    for _ in times:
        begun = time.perf_counter()
        act()
        took.append((time.perf_counter() - begun) * 1e3)
    return statistics.median(took)


def _make_a_busy_day(person: Person) -> None:
    """Leave a backlog that is still on the queue, and a page of ended runs."""
    backlog = person.ask(BACKLOG)
    Run.objects.filter(pk__in=[run.pk for run in backlog]).update(sent_at=database.in_seconds(-60))
    keyspace.sync().rpush(dispatch.RUNS_QUEUE, *["{}"] * 10_000)
    keyspace.sync().zadd(keyspace.workers("runs"), {f"worker-{n}": time.time() + 3_600 for n in range(10)})
    ended = person.ask(PAGE)
    Run.objects.filter(pk__in=[run.pk for run in ended]).update(state=State.SUCCEEDED)


def main(rows: int) -> None:
    """Fill the tables with so many ended runs, then measure a round for each line."""
    call_command("migrate", verbosity=0)
    person = Person()
    _make_a_busy_day(person)
    if rows:
        fill(person.user.pk, runs=rows)
    statements = Statements()
    measure(person, statements)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(measure(person, statements)), flush=True)
    print(json.dumps({"statements": len(statements.seen), "scans": statements.scans()}), flush=True)
