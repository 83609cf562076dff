"""The load of the peers' script at our doors: conversations of one question each, asked and watched, C at a time."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

import httpx

from tests.benchmarks.stack import Stack

DELTA = "event: message.delta"
GOOD_END = "event: run.succeeded"
MAX_REOPENED = 3
KEPT_S = 2
"""Connections are kept for less than the server's five seconds, so that none is closed under a request."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One question: seconds until its first words and until its stream's end, and how often its stream broke."""

    first_s: float
    whole_s: float
    reopened: int


@dataclass(frozen=True, slots=True)
class Load:
    """What a load saw."""

    turns: list[Turn]
    elapsed_s: float

    @property
    def per_s(self) -> float:
        return len(self.turns) / self.elapsed_s

    @property
    def first_p50_ms(self) -> float:
        return statistics.median(turn.first_s for turn in self.turns) * 1e3

    @property
    def first_p95_ms(self) -> float:
        return sorted(turn.first_s for turn in self.turns)[int(len(self.turns) * 0.95)] * 1e3

    @property
    def reopened(self) -> int:
        return sum(turn.reopened for turn in self.turns)

    @property
    def whole_p50_ms(self) -> float:
        return statistics.median(turn.whole_s for turn in self.turns) * 1e3


def put(stack: Stack, *, count: int, clients: int, warm: int = 20) -> Load:
    """Ask ``count`` questions, ``clients`` at a time; raises AssertionError when one was not answered."""
    return asyncio.run(_put(stack, count=count, clients=clients, warm=warm))


async def _put(stack: Stack, *, count: int, clients: int, warm: int) -> Load:
    limits = httpx.Limits(max_connections=clients + 10, keepalive_expiry=KEPT_S)
    async with httpx.AsyncClient(base_url=stack.url, headers=bearer(stack), limits=limits, timeout=120) as client:
        gate = asyncio.Semaphore(5)
        await asyncio.gather(*(_one(client, gate) for _ in range(warm)))
        gate = asyncio.Semaphore(clients)
        begun = time.perf_counter()
        turns = await asyncio.gather(*(_one(client, gate) for _ in range(count)))
        return Load(turns, time.perf_counter() - begun)


async def _one(client: httpx.AsyncClient, gate: asyncio.Semaphore) -> Turn:
    async with gate:
        begun, first, good, reopened, last = time.perf_counter(), 0.0, False, 0, ""
        answer = await client.post("/api/chat/", json={"message": "hi"})
        assert answer.status_code == 202, answer.text
        events = answer.json()["run"]["links"]["events"]
        while not good and reopened <= MAX_REOPENED:
            try:
                async with client.stream("GET", events, headers={"Last-Event-ID": last} if last else {}) as response:
                    async for line in response.aiter_lines():
                        if line.startswith("id: "):
                            last = line[4:]
                        if line.startswith(DELTA):
                            first = first or time.perf_counter() - begun
                        good = good or line.startswith(GOOD_END)
                break
            except httpx.TransportError:  # as browsers do: open it again and go on where it broke
                reopened += 1
        assert good, "a run did not succeed"
        assert first, "a run said nothing"
        return Turn(first, time.perf_counter() - begun, reopened)


def bearer(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.token}"}
