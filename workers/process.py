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

from django.conf import settings as django_settings
from django.db import connection
from langgraph.checkpoint.base import BaseCheckpointSaver

from aiops import dispatch, keyspace, log, metrics
from aiops.agent.llm import handlers
from aiops.agent.llm.pacing import Pacer
from aiops.agent.memory import redis as redis_memory
from aiops.agent.memory.process import ProcessSaver
from aiops.agent.values import Limits
from aiops.conversations import transitions
from aiops.conversations.transitions import Claim
from aiops.errors import Refused, RunFailed
from aiops.events.redaction import Redactor
from aiops.registry import language_models
from aiops.runs import rows, story
from aiops.runs.ports import Assignment, Bench
from aiops.runs.stopping import Stop
from aiops.settings import Settings
from workers import size
from workers.control import Control
from workers.figures import Figures
from workers.leases import Leases
from workers.loop import Loop

CLAIMS_AT_ONCE = 2
"""Hundreds of task threads wait here rather than for the database, where they would time out or starve each other."""
LEAVE_S = 1.0
"""How long a message of a newer version is held before it goes back: a pause, so that it does not spin."""
BATCH_PATIENCE_S = 3_600.0
"""Nobody waits for a batch's answer but its deadline."""
EVENTS_TIMEOUT_S = 1.5
"""A run does not wait longer for its watchers."""
POSTGRES_MEMORY_CONNECTIONS = 4
"""What Django's pool leaves of a process's ten connections when memory lives in PostgreSQL."""
MEMORY_RETRIES = 8
"""Memory outlasts a restart of its server, about five seconds."""

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
        self._memory_away: tuple[type[Exception], ...] = redis_memory.AWAY
        self.bench: Bench | None = None

    def start(self) -> None:
        """Start the threads, connect to tool servers, and listen for requests to stop runs."""
        s = self.settings
        keyspace.refuse_clusters(s.redis_url.get_secret_value(), s.memory_redis, s.broker)
        self._warm()
        self.loop.start()
        self.leases.start()
        self.figures.start()
        size.watch(self.settings, self._draining)
        self.loop.submit(self._open()).result(timeout=30)

    def answer(self, run_id: str, *, version: int) -> None:
        """Claim a run and wait, in this thread, until it is answered; returns at once when it is not to be had."""
        if self._draining.is_set():
            transitions.mark_sent(run_id, sent=False)
            return
        if version > dispatch.VERSION:
            self._leave(run_id, version=version)
            return
        with self._claiming:
            held = self._claim(run_id)
        if held is None:
            logger.info("run.not_claimed", run=run_id)
            metrics.count(metrics.NOT_CLAIMED)
            return
        claim, assignment, stop = held
        try:
            assert self.bench is not None
            self.loop.submit(story.answer(assignment, self.bench, stop)).result()
        finally:
            self.leases.give_up(claim)

    def _claim(self, run_id: str) -> tuple[Claim, Assignment, Stop] | None:
        """Claim and read a run; a waiting run holds no connection, so it is closed."""
        begun, stop = time.monotonic(), Stop()
        try:
            claim = transitions.claim(run_id, worker=self.name, lease_s=self.settings.lease_s)
            if claim is None:
                return None
            self.leases.take(claim, stop, since=begun)
            try:
                return claim, rows.assignment(claim), stop
            except BaseException:
                self.leases.give_up(claim)
                raise
        finally:
            connection.close()

    def _leave(self, run_id: str, *, version: int) -> None:
        """Put a message of a newer version back as it is, for a newer worker."""
        logger.warning("run.newer", run=run_id, version=version, ours=dispatch.VERSION)
        self._draining.wait(LEAVE_S)
        dispatch.run(run_id, queue=self.queue, version=version)

    def drain(self) -> None:
        """Take nothing new; give runs ``drain_s`` to end, then hand them back to the queue."""
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

    def _warm(self) -> None:
        """Import the default model's package now: on the loop, at the first question, it would hold up every run."""
        try:
            handlers.make(language_models.choose(self.settings, {}), timeout_s=self.settings.model_timeout_s)
        except (Refused, RunFailed) as error:
            logger.warning("model.not_ready", reason=error.detail)

    async def _open(self) -> None:
        s = self.settings
        events = keyspace.async_client(s.redis_url.get_secret_value(), retries=1, timeout_s=EVENTS_TIMEOUT_S)
        background = self.queue == dispatch.BATCH_QUEUE
        pacer = Pacer(events, language_models.pace(s), background=background, hold_s=s.model_timeout_s + 5)
        self._control = Control(
            s, in_thread=self.loop.in_thread, stop_run=self.leases.stop_run, slow_down=pacer.slow_down
        )
        self.bench = Bench(
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
            pacer=pacer,
            in_thread=self.loop.in_thread,
        )
        await self._control.open()

    async def _memory(self) -> Callable[[], BaseCheckpointSaver[Any]]:
        """Return what gives each run its saver."""
        if self.settings.checkpointer == "memory":
            one = ProcessSaver()
            return lambda: one
        if self.settings.checkpointer == "postgres":
            postgres = importlib.import_module("aiops.agent.memory.postgres")  # 9 MB that others need not hold
            url = self.settings.database_url.get_secret_value()
            self._postgres = postgres.PostgresMemory(url, max_connections=POSTGRES_MEMORY_CONNECTIONS)
            self._memory_away = postgres.AWAY
            await self._postgres.open()
            saver: Callable[[], BaseCheckpointSaver[Any]] = self._postgres.saver
            return saver
        client = keyspace.async_client(self.settings.memory_redis, retries=MEMORY_RETRIES)
        ttl_s = self.settings.memory_ttl_s + self.settings.memory_grace_s
        shared = redis_memory.RedisSaver(client, key=keyspace.memory, pattern=keyspace.MEMORY_PATTERN, ttl_s=ttl_s)
        return lambda: shared

    async def _close(self) -> None:
        assert self.bench is not None
        await self._control.close()
        await self.bench.redis.aclose()
        if self._postgres is not None:
            await self._postgres.close()


_present: list[Process] = []


def start(queue: str) -> None:
    """Make this process's ``Process``, which answers the runs of one queue, when it does not exist yet."""
    if not _present:
        _present.append(Process(django_settings.SETTINGS, queue=queue))
        _present[0].start()


def present() -> Process:
    """Return this process's ``Process``."""
    return _present[0]


def exists() -> bool:
    """Whether this process answers runs."""
    return bool(_present)
