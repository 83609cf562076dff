"""The highest rate at which a server takes questions: POSTs come on schedule, whatever became of those before.

    python -m tests.benchmarks.posting http://127.0.0.1:8125

measures a server with the LangGraph API: background runs, each in a thread that the server makes for it. The rates are
multiples of STEP; at each, POSTs come for SECONDS, and each is timed from the moment it was due.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

STEP = 1.1
"""Two neighbouring rates differ by a tenth."""
FIRST = 10.0
"""POSTs a second of the first try."""
SECONDS = 8.0
LIMIT_S = 0.1
TRIES = 2
"""A rate fails when it has failed so often: a machine has bad moments."""
CONNECTIONS = 100
CALM_S = LIMIT_S / 4
CALM = 8
SETTLE_S = 120.0
"""Longest wait until what was accepted is worked off, and so many POSTs in a row take less than CALM_S."""

Post = Callable[[httpx.AsyncClient], Awaitable[None]]
"""Asks one question; raises when it was not accepted."""


def highest_rate(url: str, headers: dict[str, str], post: Post, *, seconds: float = SECONDS) -> float:
    """Return the highest rate, POSTs a second, whose p99 is at most LIMIT_S with none refused."""
    return asyncio.run(_highest(url, headers, post, seconds))


async def _highest(url: str, headers: dict[str, str], post: Post, seconds: float) -> float:
    limits = httpx.Limits(max_connections=CONNECTIONS, keepalive_expiry=2)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:

        async def holds(power: int) -> bool:
            for _ in range(TRIES):
                await _settle(client, post)
                if await _p99_s(client, post, FIRST * STEP**power, seconds) <= LIMIT_S:
                    return True
            return False

        good, step = -1, 4
        while await holds(good + step):
            good += step
        bad = good + step
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (middle, bad) if await holds(middle) else (good, middle)
        return FIRST * STEP**good if good >= 0 else 0.0


async def _p99_s(client: httpx.AsyncClient, post: Post, per_s: float, seconds: float) -> float:
    begun = time.perf_counter()

    async def one(number: int) -> float:
        due = begun + number / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        try:
            await post(client)
        except (httpx.TransportError, AssertionError):
            return float("inf")
        return time.perf_counter() - due

    took = sorted(await asyncio.gather(*(one(number) for number in range(int(per_s * seconds)))))
    return took[int(len(took) * 0.99)]


async def _settle(client: httpx.AsyncClient, post: Post) -> None:
    until, calm = time.perf_counter() + SETTLE_S, 0
    while calm < CALM and time.perf_counter() < until:
        begun = time.perf_counter()
        try:
            await post(client)
            calm = calm + 1 if time.perf_counter() - begun < CALM_S else 0
        except (httpx.TransportError, AssertionError):
            calm = 0
        await asyncio.sleep(0.1)


async def _run(client: httpx.AsyncClient) -> None:
    body = {"assistant_id": "agent", "input": {"messages": [{"role": "user", "content": "hi"}]}}
    answer = await client.post("/runs", json=body)
    assert answer.is_success, answer.text


if __name__ == "__main__":
    print(f"{highest_rate(sys.argv[1], {}, _run):.1f} POSTs a second")
