"""Checks that all workers that answer, on whatever host, agree: on version, tables and time, and that none is idle."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from aiops import __version__, dispatch
from aiops.errors import Unavailable
from config.doctor.finding import Finding
from workers.about import migrations

ANSWER_S = 3.0
"""Within this all workers answer: one that is busy answers from another thread."""
CLOCK_S = 2.0


def examine() -> list[Finding]:
    """Ask all workers about themselves, and compare."""
    try:
        # First, for it gives up soon where RabbitMQ does not answer.
        consumers = {queue: dispatch.consumers(queue) for queue in dispatch.QUEUES}
        asked_at = time.time()
        answers = dispatch.workers(within_s=ANSWER_S)
    except Unavailable:
        return []  # the check of the queues reports this
    return list(compare(answers, consumers, asked=(asked_at, time.time())))


def compare(
    answers: list[dict[str, Any]], consumers: dict[str, int | None], *, asked: tuple[float, float]
) -> Iterator[Finding]:
    """Compare workers' answers with this installation, and RabbitMQ's counts with them.

    ``asked``: when they were asked and when their answers were complete, by this host's clock (Unix seconds).
    """
    hosts = sorted({answer["host"] for answer in answers})
    yield Finding(
        "workers",
        bool(answers),
        f"{len(answers)} on {len(hosts)} {'host' if len(hosts) == 1 else 'hosts'} answered: {', '.join(hosts)}",
        "Start workers, and check that CELERY_BROKER_URL is the same for all.",
    )
    others = {answer["name"]: answer["version"] for answer in answers if answer["version"] != __version__}
    if others:
        cure = "Finish the upgrade: docs/operations/upgrades.md. Versions that follow each other work side by side."
        yield _differs("version", f"this is {__version__}, {_named(others)}", cure)
    behind = [answer["name"] for answer in answers if answer["migrations"] != migrations()]
    if behind:
        cure = "Install the same version on all hosts, and run `aiops manage migrate` with the newest."
        yield _differs("tables", f"other tables than this version's are known to {', '.join(behind)}", cure)
    apart_s = {answer["name"]: _apart_s(answer["clock"], asked) for answer in answers}
    off = {name: f"{seconds:+.1f} s" for name, seconds in apart_s.items() if abs(seconds) > CLOCK_S}
    if off:
        yield _differs("clocks", f"this host's clock differs from {_named(off)}", "Set all clocks by NTP.")
    served = Counter(queue for answer in answers for queue in answer["queues"])
    for queue, count in consumers.items():
        if count is not None and count < served[queue]:
            seen = f"{served[queue]} workers answer, but only {count} take from it"
            cure = "Give each worker of a host a name of its own (WORKER=…, or -n), and restart them."
            yield Finding(f"consumers {queue}", False, seen, cure, required=False)


def _apart_s(clock: float, asked: tuple[float, float]) -> float:
    """Return how far a clock is outside the time in which it was read."""
    begun, ended = asked
    return min(clock - begun, 0) or max(clock - ended, 0)


def _differs(what: str, seen: str, cure: str) -> Finding:
    return Finding(f"{what} of workers", False, seen, cure, required=False)


def _named(values: dict[str, str]) -> str:
    return ", ".join(f"{name}: {value}" for name, value in values.items())
