"""(h) How many questions a second are accepted, with one web process and with two, while the workers answer."""

from __future__ import annotations

import httpx

from tests.benchmarks import database, load, posting
from tests.benchmarks.checks import Check, Other, at_least_times
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack

TITLE = "accepting questions, POST p99 ≤ 100 ms: the highest rate"
PROCESSES = (1, 2)


def measure(options: Options) -> list[Check]:
    rates = {number: _rate(number, options) for number in PROCESSES}
    peer = options.peer("posts_s", name="Aegra")
    note = f"each step {posting.STEP:g} ×, {posting.SECONDS:g} s each"
    one = Other("one web process", rates[1])
    return [
        at_least_times("one web process", rates[1], "POSTs/s", 1, peer, note=note),
        at_least_times("two web processes", rates[2], "POSTs/s", posting.STEP, one),
    ]


def _rate(processes: int, options: Options) -> float:
    with database.own() as url, Stack(DATABASE_URL=url, AIOPS_WEB_PROCESSES=str(processes)) as stack:
        load.put(stack, count=options.some(60), clients=20)
        return posting.highest_rate(stack.url, load.bearer(stack), _ask, seconds=posting.SECONDS * options.scale)


async def _ask(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/chat/", json={"message": "hi"})
    assert answer.status_code == 202, answer.text
