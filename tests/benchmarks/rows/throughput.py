"""(b) How many turns a second, with PostgreSQL, Redis and two worker processes."""

from __future__ import annotations

from collections import Counter

from tests.benchmarks import database, load
from tests.benchmarks.checks import Check, at_least_times, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack, in_parts

TITLE = "forty words, many clients"


def measure(options: Options) -> list[Check]:
    with database.own() as url, Stack(DATABASE_URL=url) as stack:
        load.put(stack, count=options.some(60), clients=20)
        before = stack.cpu_s()
        twenty = load.put(stack, count=options.some(400), clients=20, warm=0)
        spent = stack.cpu_s() - before
        hundred = load.put(stack, count=options.some(500, least=100), clients=100, warm=0)
    best_20, best_100 = (options.peer(f"runs_s_{clients}", best=max) for clients in (20, 100))
    cpu_ms = Counter({name: used * 1e3 / len(twenty.turns) for name, used in spent.items()})
    return [
        at_least_times("20 clients", twenty.per_s, "turns/s", 2, best_20),
        at_least_times("100 clients", hundred.per_s, "turns/s", 1.5, best_100),
        reported("20 clients, processor time of a turn", cpu_ms.total(), "ms", note=in_parts(cpu_ms, unit=1)),
        reported("20 clients, first message.delta p50", twenty.first_p50_ms, "ms"),
    ]
