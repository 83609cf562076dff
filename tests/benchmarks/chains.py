"""Turns of the bare agent with each of ten middleware of a model, with all of them, and with none, in turn.

python -m tests.benchmarks.chains 40
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import time
import uuid
from dataclasses import replace
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage

from aiops import keyspace, log
from aiops.agent import build, chain_rows
from aiops.agent.surroundings import Surroundings
from aiops.chains.types import BUILT_IN
from aiops.chains.values import model_fields
from aiops.llm.client import Client
from aiops.llm.environment import OFFLINE_MODEL
from aiops.llm.values import MiddlewareSpec, ModelSpec
from config import env
from tests.benchmarks import echo
from tests.benchmarks.in_process import Bare, Nobody
from tests.models import client_of

TEN: dict[str, dict[str, Any]] = {
    "LoggingMiddleware": {},
    "CacheMiddleware": {"ttl_s": 60},
    "RetryMiddleware": {"tries": 3},
    "ValidationMiddleware": {"deny": [{"pattern": "rm -rf", "reason": "no"}], "remove": [r"\bcanary\b"]},
    "PromptInjectionMiddleware": {},
    "ContextEditingMiddleware": {},
    "PIIMiddleware": {},
    "SummarizationMiddleware": {},
    "TodoListMiddleware": {},
    "ToolCallLimitMiddleware": {"tool_name": "host_disks", "run_limit": 5},
}
NONE, ALL = "none", "all ten"
ROUND = 5
"""Turns of one variant before the next has its turn."""


async def main(count: int) -> None:
    """Print the median of a turn, in ms, of each variant, as JSON."""
    bare = Bare(env.load())
    log.configure("ERROR", redact=bare.redactor.redact)
    bare.tools.start()
    catalogue = await bare.tools.catalogue()
    redis = keyspace.async_client(env.load().redis_url.get_secret_value())
    chains = {NONE: (), **{name: (_row(name),) for name in TEN}, ALL: tuple(map(_row, TEN))}
    clients = {name: await _client(name, chain, redis) for name, chain in chains.items()}
    taken: dict[str, list[float]] = {name: [] for name in clients}
    for number in range(0, count + ROUND, ROUND):
        for name, client in clients.items():
            for _ in range(ROUND):
                begun = time.perf_counter()
                await _turn(bare, client, catalogue)
                if number:  # the first round compiles and warms
                    taken[name].append((time.perf_counter() - begun) * 1e3)
    print(json.dumps({name: statistics.median(each) for name, each in taken.items()}), flush=True)
    await bare.tools.stop()


def _row(name: str) -> MiddlewareSpec:
    kind = BUILT_IN[name]
    config = json.dumps({**kind.default, **TEN[name]})
    return MiddlewareSpec(name, kind.path, config, is_critical=True, model_fields=model_fields(kind.schema))


async def _client(name: str, chain: tuple[MiddlewareSpec, ...], redis: Any) -> Client:
    async def helper(spec: ModelSpec) -> BaseChatModel:
        return echo.Echo()

    spec = replace(OFFLINE_MODEL, name=name, chain=chain)
    client = client_of(echo.Echo(), spec)
    client.chain = await chain_rows.build(Surroundings(spec, redis, helper))
    return client


async def _turn(bare: Bare, client: Client, catalogue: Any) -> None:
    agent = build.build(
        client, catalogue, tools=bare.tools, limits=bare.limits, redactor=bare.redactor, memory=bare.memory
    )
    thread = str(uuid.uuid4())  # part of the question, so that no answer comes from the cache
    config: Any = {"configurable": {"thread_id": thread}}
    asked: Any = {"messages": [HumanMessage(f"hi {thread}")]}
    watcher = Nobody()
    watcher.user_id = "somebody"
    streamed: Any = agent.astream(asked, config, context=watcher, stream_mode="updates", durability="exit")
    async with contextlib.aclosing(streamed) as steps:
        async for _ in steps:
            pass
    assert watcher.pieces >= len(echo.WORDS)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
