"""The product's own agent without the product: N conversations, C at a time, in this process, with the same saver.

python -m tests.benchmarks.in_process 200 10
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
import uuid
from typing import Any

from langchain_core.messages import HumanMessage

from aiops import keyspace, log
from aiops.agent import build
from aiops.agent.memory.redis import RedisSaver
from aiops.agent.values import Limits
from aiops.events.redaction import Redactor
from aiops.llm.environment import OFFLINE_MODEL
from aiops.settings import Settings
from aiops.tool_servers.client.pool import Catalogue, ToolPool
from aiops.tool_servers.client.values import CallLimits, ServerSpec
from config import env
from tests.benchmarks import echo
from tests.models import client_of

HOST = ServerSpec("host", command=sys.executable, args=("-m", "aiops.tool_servers.host"))


class Nobody:
    """A watcher that only counts the pieces of the answer."""

    def __init__(self) -> None:
        self.pieces = 0

    def new_call_id(self) -> str:
        return uuid.uuid4().hex[:9]

    async def say(self, text: str) -> None:
        self.pieces += 1

    def __getattr__(self, name: str) -> Any:
        async def ignore(*args: Any, **kwargs: Any) -> None:
            return None

        return ignore


class Bare:
    """The agent's surroundings, as a worker has them."""

    def __init__(self, settings: Settings) -> None:
        client = keyspace.async_client(settings.memory_redis)
        self.memory = RedisSaver(client, key=keyspace.memory, pattern=keyspace.MEMORY_PATTERN, ttl_s=600)
        self.tools = ToolPool([HOST], limits=CallLimits(settings.tool_timeout_s, settings.tool_timeout_s))
        self.redactor = Redactor.from_settings(settings)
        self.client = client_of(echo.Echo(), OFFLINE_MODEL)
        s = settings
        self.limits = Limits(
            s.max_model_calls,
            s.max_tool_calls,
            s.model_timeout_s,
            s.model_retries,
            s.tool_timeout_s,
            s.max_tool_result_bytes,
            s.context_tokens,
        )

    async def turn(self, catalogue: Catalogue) -> None:
        agent = build.build(
            self.client,
            catalogue,
            tools=self.tools,
            limits=self.limits,
            redactor=self.redactor,
            memory=self.memory,
        )
        config: Any = {"configurable": {"thread_id": str(uuid.uuid4())}}
        watcher = Nobody()
        asked: Any = {"messages": [HumanMessage("hi")]}
        streamed: Any = agent.astream(asked, config, context=watcher, stream_mode="updates", durability="exit")
        async with contextlib.aclosing(streamed) as steps:
            async for _ in steps:
                pass
        assert watcher.pieces >= len(echo.WORDS)


async def main(count: int, clients: int) -> None:
    bare = Bare(env.load())
    log.configure("ERROR", redact=bare.redactor.redact)
    bare.tools.start()
    catalogue = await bare.tools.catalogue()
    gate = asyncio.Semaphore(clients)

    async def one() -> None:
        async with gate:
            await bare.turn(catalogue)

    await asyncio.gather(*(one() for _ in range(20)))
    print("ready", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(count)))
    print(time.perf_counter() - begun, flush=True)
    await bare.tools.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
