"""What one worker process holds: its loop, clients, tool sessions and leases; made once, ended in order."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import redis.asyncio
from langgraph.checkpoint.base import BaseCheckpointSaver

from aiops import database, dispatch, keyspace, log, metrics
from aiops.agent.memory import redis as redis_memory
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.values import Limits
from aiops.batches import lifecycle as batches
from aiops.events.redaction import Redactor
from aiops.llm import snapshot
from aiops.llm.clients import Clients
from aiops.llm.pacing import Pacer
from aiops.llm.values import Pace
from aiops.runs import transitions
from aiops.runs.transitions import Claim, Claimed
from aiops.runs.work import rows, story
from aiops.runs.work.context import Assignment, RunContext
from aiops.runs.work.stopping import Stop
from aiops.settings import Settings
from workers import size
from workers.control import Control
from workers.figures import Figures
from workers.leases import Leases
from workers.loop import Loop

CLAIMS_AT_ONCE = 2
"""Hundreds of task threads wait here: at the database they would time out or starve each other."""
PUT_BACK_S = 1.0
"""How long a message of a newer version is held before it is put back, so that it does not spin."""
BATCH_PATIENCE_S = 3_600.0
"""Items of a batch wait for a model's rate limit up to their deadline."""
EVENTS_TIMEOUT_S = 1.5
"""Longest wait for Redis to take an event: a run must not wait for its viewers."""
POSTGRES_MEMORY_CONNECTIONS = 4
"""What Django's pool leaves of a process's ten connections when memory lives in PostgreSQL."""
MEMORY_RETRIES = 8
"""Covers a restart of the memory server, about five seconds."""

logger = log.get(__name__)


class Process:
    """A worker process that answers runs."""

    def __init__(self, settings: Settings, *, queue: str = dispatch.RUNS_QUEUE) -> None:
        self.settings = settings
        self.queue = queue
        self.name = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.loop = Loop()
        self.leases = Leases(settings, self.loop, worker=self.name, queue=queue)
        self.figures = Figures(self.name, self.loop, held=lambda: self.leases.count)
        self._draining = threading.Event()
        self._claiming = threading.BoundedSemaphore(CLAIMS_AT_ONCE)
        self._postgres: Any = None
        self._memory_redis: redis.asyncio.Redis | None = None
        self._memory_away: tuple[type[Exception], ...] = redis_memory.AWAY
        self.context: RunContext | None = None

    def start(self) -> None:
        """Start the threads, connect to tool servers, and listen for requests to stop runs."""
        s = self.settings
        keyspace.refuse_clusters(s.redis_url.get_secret_value(), s.memory_redis, s.broker)
        self.loop.start()
        self.leases.start()
        self.figures.start()
        size.watch(self.settings, self._draining)
        self.loop.submit(self._open()).result(timeout=30)

    def answer(self, run_id: str, *, version: int) -> None:
        """Claim a run and block this thread until it has ended; returns at once when it cannot be claimed."""
        if self._draining.is_set():
            transitions.mark_sent(run_id, sent=False)
            return
        if version > dispatch.VERSION:
            self._put_back(run_id, version=version)
            return
        with self._claiming:
            held = database.with_connection(self._claim, run_id)  # a run that waits for its model must hold none
        if held is None:
            logger.info("run.not_claimed", run=run_id)
            metrics.count(metrics.NOT_CLAIMED)
            return
        claim, assignment, stop = held
        try:
            assert self.context is not None
            self.loop.submit(story.answer(assignment, self.context, stop)).result()
        finally:
            self.leases.release(claim)

    def _claim(self, run_id: str) -> tuple[Claim, Assignment, Stop] | None:
        begun, stop = time.monotonic(), Stop()
        claimed = transitions.claim(run_id, worker=self.name, lease_s=self.settings.lease_s)
        if claimed is None:
            return None
        self.leases.take(claimed.claim, stop, since=begun)
        try:
            _count(claimed)
            models = snapshot.current(self.settings)
            return claimed.claim, rows.assignment(claimed, batches.schema_of, models), stop
        except BaseException:
            self.leases.release(claimed.claim)
            raise

    def _put_back(self, run_id: str, *, version: int) -> None:
        """Put a message of a newer version back unchanged, for a newer worker."""
        logger.warning("run.newer", run=run_id, version=version, ours=dispatch.VERSION)
        self._draining.wait(PUT_BACK_S)
        dispatch.run(run_id, queue=self.queue, version=version)

    def drain(self) -> None:
        """Take no new runs; give the present ones ``drain_s`` to end, then put them back on the queue."""
        self._draining.set()
        threading.Thread(target=self._drain, name="drain", daemon=True).start()

    def stop(self) -> None:
        """Close tool sessions and clients, then the threads."""
        self.leases.end()
        self.figures.end()
        with contextlib.suppress(TimeoutError):
            self.loop.submit(self._close()).result(timeout=5)
        self.loop.stop()

    def _drain(self) -> None:
        until = time.monotonic() + self.settings.drain_s
        while self.leases.count and time.monotonic() < until:
            threading.Event().wait(0.1)
        if self.leases.count:
            logger.info("drain.handing_back", runs=self.leases.count)
            self.leases.drain()

    async def _open(self) -> None:
        s = self.settings
        events = keyspace.async_client(s.redis_url.get_secret_value(), retries=1, timeout_s=EVENTS_TIMEOUT_S)
        background = self.queue == dispatch.BATCH_QUEUE
        pacer = Pacer(events, _pace(s), background=background, hold_s=s.model_timeout_s + 5)
        clients = Clients(s)
        self._control = Control(
            s, clients, in_thread=self.loop.in_thread, stop_run=self.leases.stop_run, slow_down=pacer.slow_down
        )
        self.context = RunContext(
            settings=s,
            limits=Limits(
                model_calls=s.max_model_calls,
                tool_calls=s.max_tool_calls,
                model_timeout_s=s.model_timeout_s,
                model_tries=s.model_retries,
                tool_timeout_s=s.tool_timeout_s,
                tool_result_bytes=s.max_tool_result_bytes,
                context_tokens=s.context_tokens,
                model_patience_s=BATCH_PATIENCE_S if background else s.model_timeout_s,
            ),
            redis=events,
            memory=await self._memory(),
            memory_away=self._memory_away,
            tools=self._control.tools,
            redactor=Redactor.from_settings(s),
            clients=clients,
            pacer=pacer,
            in_thread=self.loop.in_thread,
        )
        await self._control.open()

    async def _memory(self) -> Callable[[], BaseCheckpointSaver[Any]]:
        """Return a function that gives each run its saver."""
        if self.settings.checkpointer == "memory":
            one = ProcessSaver()
            return lambda: one
        if self.settings.checkpointer == "postgres":
            postgres = importlib.import_module("aiops.agent.memory.postgres")  # 9 MB that other processes save
            url = self.settings.database_url.get_secret_value()
            self._postgres = postgres.PostgresMemory(url, max_connections=POSTGRES_MEMORY_CONNECTIONS)
            self._memory_away = postgres.AWAY
            await self._postgres.open()
            saver: Callable[[], BaseCheckpointSaver[Any]] = self._postgres.saver
            return saver
        client = self._memory_redis = keyspace.async_client(self.settings.memory_redis, retries=MEMORY_RETRIES)
        ttl_s = self.settings.memory_ttl_s + self.settings.memory_grace_s
        shared = redis_memory.RedisSaver(client, key=keyspace.memory, pattern=keyspace.MEMORY_PATTERN, ttl_s=ttl_s)
        return lambda: shared

    async def _close(self) -> None:
        assert self.context is not None
        await self._control.close()
        await self.context.clients.close()
        await self.context.redis.aclose()
        if self._memory_redis is not None:
            await self._memory_redis.aclose()
        if self._postgres is not None:
            await self._postgres.close()


def _pace(settings: Settings) -> Pace:
    return Pace(settings.llm_max_concurrency, settings.llm_requests_per_minute, settings.llm_tokens_per_minute)


def _count(claimed: Claimed) -> None:
    run = claimed.run
    metrics.count(metrics.ATTEMPTS, run.queue)
    if claimed.claim.fence == 1 and run.started_at is not None:
        metrics.measure(metrics.WAITED_SECONDS, run.queue, seconds=(run.started_at - run.queued_at).total_seconds())
