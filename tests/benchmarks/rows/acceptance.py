"""(h) How long a POST takes when two hundred come every second, on schedule, whatever became of those before."""

from __future__ import annotations

import asyncio
import time

import httpx

from tests.benchmarks import database, load
from tests.benchmarks.checks import Check, at_most, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack

TITLE = "accepting 200 questions a second"
PER_S = 200
SECONDS = 15
CONNECTIONS = 100
FAILED_S = 60
"""What a POST whose connection broke counts for, besides its own time."""


def measure(options: Options) -> list[Check]:
    count = options.some(PER_S * SECONDS, least=PER_S * 3)
    with database.own() as url, Stack(DATABASE_URL=url) as stack:
        load.put(stack, count=options.some(60), clients=20)
        stack.pause_workers()
        alone = asyncio.run(_post(stack, count))
    with database.own() as url, Stack(DATABASE_URL=url) as stack:
        load.put(stack, count=options.some(60), clients=20)
        working = asyncio.run(_post(stack, count))
    note = f"{count} in {working.elapsed_s:.0f} s, {working.failed} broken, from the moment each was due"
    return [
        at_most("POST p99, workers answering", working.at(0.99), "ms", 50, note=note),
        reported("POST p50, workers answering", working.at(0.5), "ms"),
        reported("POST p99, workers paused", alone.at(0.99), "ms", note="what the web process itself can do"),
        reported("POST p50, workers paused", alone.at(0.5), "ms"),
    ]


class _Posts:
    """How long each took, seconds."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self.failed = 0
        self.elapsed_s = 0.0

    def at(self, share: float) -> float:
        return sorted(self.took)[int(len(self.took) * share)] * 1e3


async def _post(stack: Stack, count: int) -> _Posts:
    posts = _Posts()
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=load.KEPT_S)
    async with httpx.AsyncClient(base_url=stack.url, headers=load.bearer(stack), timeout=60, limits=limits) as client:
        begun = time.perf_counter()

        async def one(number: int) -> None:
            due = begun + number / PER_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            try:
                answer = await client.post("/api/chat/", json={"message": "hi"})
                assert answer.status_code == 202, answer.text
            except httpx.TransportError:
                posts.failed += 1
                due -= FAILED_S
            posts.took.append(time.perf_counter() - due)

        await asyncio.gather(*(one(number) for number in range(count)))
        posts.elapsed_s = time.perf_counter() - begun
    return posts
