"""(f) Whether a long conversation grows slow, or its memory large."""

from __future__ import annotations

import statistics

import httpx

from aiops import keyspace
from tests.benchmarks import database
from tests.benchmarks.checks import Check, Other, at_most_times
from tests.benchmarks.load import bearer
from tests.benchmarks.options import Options
from tests.benchmarks.stack import Stack

TITLE = "one conversation of 500 turns"
TURNS, EARLY = 500, 50
AROUND = 10
"""Turns before and after, whose median stands for one."""
QUESTION = "What uses the most memory on the third machine of the second rack, and since when? This is question {n}."


def measure(options: Options) -> list[Check]:
    turns = max(options.some(TURNS), EARLY + 2 * AROUND)
    with database.own() as url, Stack(DATABASE_URL=url) as stack, _client(stack) as client:
        conversation, ms, said = "", [], 0
        for n in range(turns):
            asked = {"message": QUESTION.format(n=n), **({"conversation": conversation} if conversation else {})}
            answer = client.post("/api/chat/", json=asked).json()
            conversation = answer["conversation"]
            ended = client.get(answer["run"]["links"]["self"], params={"wait": 30}).json()
            assert ended["state"] == "succeeded", ended
            ms.append(ended["timings"]["ms"]["queued_to_finished"])
            said += len(asked["message"]) + len(ended["answer"])
        stored = stack.redis().memory_usage(keyspace.memory(conversation), samples=0)
    early, late = (statistics.median(ms[at - AROUND : at + AROUND]) for at in (EARLY, turns - AROUND))
    return [
        at_most_times(f"turn {turns}, from its row to its end", late, "ms", 1.5, Other(f"turn {EARLY}", early)),
        at_most_times("stored memory", stored / 1e3, "kB", 3, Other("transcript", said / 1e3)),
    ]


def _client(stack: Stack) -> httpx.Client:
    return httpx.Client(base_url=stack.url, headers=bearer(stack), timeout=60)
