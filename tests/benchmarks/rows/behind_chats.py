"""(k) How soon a chat's first words come while a large batch is answered."""

from __future__ import annotations

import json
import time

from tests.acceptance.system import eventually
from tests.benchmarks import database, load
from tests.benchmarks.checks import Check, Other, at_most_times, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack

TITLE = "a chat during a batch of 5,000 items, 0.5 s model"
ITEMS = 5_000
CHATS = 60


def measure(options: Options) -> list[Check]:
    chats = options.some(CHATS)
    with database.own() as url, Stack(DATABASE_URL=url, delay_s=0.5) as stack:
        idle = load.put(stack, count=chats, clients=1)
        with stack.client() as client:
            lines = "".join(json.dumps({"prompt": f"item {n}"}) + "\n" for n in range(options.some(ITEMS)))
            batch = client.post("/api/batches/", files={"file": ("b.jsonl", lines)}).json()["links"]

            def done() -> int:
                return int(client.get(batch["self"]).json()["counts"]["succeeded"])

            eventually(lambda: done() > 0, within_s=60, what="the first item")
            before, begun = done(), time.perf_counter()
            busy = load.put(stack, count=chats, clients=1)
            per_s = (done() - before) / (time.perf_counter() - begun)
            ended = client.get(batch["self"]).json()["state"] != "in_progress"
            assert not ended, "the batch ended before the chats: the figure says nothing"
            client.post(batch["cancel"])
    alone = Other("without a batch", idle.first_p95_ms)
    return [
        at_most_times("first message.delta p95", busy.first_p95_ms, "ms", 3, alone),
        reported("first message.delta p50", busy.first_p50_ms, "ms"),
        reported("items answered meanwhile", per_s, "a second"),
    ]
