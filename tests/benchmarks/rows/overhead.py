"""(c) What the system costs: whole turns against the same agent called in process with the same saver."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks import database, load
from tests.benchmarks.checks import Check, Other, at_least_times
from tests.benchmarks.options import Options
from tests.benchmarks.stack import ROOT, WORKERS, Stack

TITLE = "the system against the bare agent"
CLIENTS = 20


def measure(options: Options) -> list[Check]:
    count = options.some(400)
    with database.own() as url, Stack(DATABASE_URL=url) as stack:
        load.put(stack, count=60, clients=CLIENTS)
        halves = [load.put(stack, count=count // 2, clients=CLIENTS, warm=0)]
        bare = _in_process(stack, count=count, processes=WORKERS)
        alone = _in_process(stack, count=count, processes=1)
        halves.append(load.put(stack, count=count // 2, clients=CLIENTS, warm=0))
    turns = sum(len(half.turns) for half in halves) / sum(half.elapsed_s for half in halves)
    other = Other(f"in process, {WORKERS} processes", bare)
    return [
        at_least_times(f"{CLIENTS} clients", turns, "turns/s", 0.5, other),
        at_least_times(f"{CLIENTS} clients", turns, "turns/s", 0.5, Other("in process, 1 process", alone)),
    ]


def _in_process(stack: Stack, *, count: int, processes: int) -> float:
    """Return turns per second of so many processes on the same cores, together as many at once as the clients."""
    env = {**stack.env, "REDIS_URL": stack.redis_url, "AIOPS_SECRET_KEY": "x" * 60}
    share, at_once = count // processes, CLIENTS // processes
    command = [sys.executable, "-m", "tests.benchmarks.in_process", str(share), str(at_once)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    started = [subprocess.Popen(command, env=env, cwd=ROOT, text=True, **pipes) for _ in range(processes)]
    try:
        for process in started:
            assert process.stdout.readline().strip() == "ready"
        for process in started:
            process.stdin.write("go\n")
            process.stdin.flush()
        seconds = [float(process.stdout.readline()) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return share * processes / max(seconds)
