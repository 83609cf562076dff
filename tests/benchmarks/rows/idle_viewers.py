"""(e) What a viewer costs the web process when nothing happens."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

import httpx

from tests.benchmarks import database
from tests.benchmarks.checks import Check, at_most, reported
from tests.benchmarks.load import bearer
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack
from tests.benchmarks.viewers import Viewers, allow_open_files

TITLE = "2,000 idle viewers on one web process"
MANY, MOST = 2_000, 10_000
SPARE_FILES = 500
WARM = 200
POOLS = 20
"""Threads and connections that pools may add once, however many watch."""
NEVER_S = 100_000


@dataclass(frozen=True, slots=True)
class State:
    """What the web process holds."""

    bytes_: int
    threads: int
    connections: int


def measure(options: Options) -> list[Check]:
    files = allow_open_files(MOST + SPARE_FILES)
    with database.own() as url, Stack(DATABASE_URL=url, delay_s=NEVER_S, AIOPS_MODEL_TIMEOUT_S=str(NEVER_S)) as stack:
        return asyncio.run(_measure(stack, url, many=options.some(MANY), most=options.some(MOST), files=files))


async def _measure(stack: Stack, url: str, *, many: int, most: int, files: int) -> list[Check]:
    async with httpx.AsyncClient(base_url=stack.url, headers=bearer(stack), timeout=60) as client:
        paths = [await _ask(client) for _ in range(many)]
    async with Viewers(stack) as viewers:
        await viewers.watch(paths[:WARM])
        before = await _rest(stack, url)
        await viewers.watch(paths)
        after = await _rest(stack, url)
        assert viewers.connected == many + WARM, "viewers were cut"
        each_kb = (after.bytes_ - before.bytes_) / many / 1e3
        checks = [
            at_most("memory of each viewer", each_kb, "kB", 60, note=f"{many:,} runs, unique memory (USS)"),
            at_most("threads more", after.threads - before.threads, "", POOLS),
            at_most("database connections more", after.connections - before.connections, "", POOLS),
        ]
        if files < most + SPARE_FILES:
            return [*checks, reported(f"{most:,} viewers: the file limit is too low", files, "files")]
        await viewers.watch(list(itertools.islice(itertools.cycle(paths), most - viewers.connected)))
        full = await _rest(stack, url)
        assert viewers.connected == most, "viewers were cut"
    size = (full.bytes_ - before.bytes_) / (most - WARM) / 1e3
    note = f"file limit {files:,}; {full.threads} threads, {full.connections} database connections"
    return [*checks, reported(f"{most:,} viewers, memory of each", size, "kB", note=note)]


async def _ask(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/chat/", json={"message": "hi", "deadline_s": 3_600})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["run"]["links"]["events"])


async def _rest(stack: Stack, url: str) -> State:
    """Return what the web process holds a moment after everybody came."""
    await asyncio.sleep(3)
    web = stack.web()
    return State(web.memory_full_info().uss, web.num_threads(), database.connections(url))
