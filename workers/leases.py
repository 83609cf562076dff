"""The leases of a worker process: a thread renews them all with one UPDATE and collects requests to stop.

A second thread watches the first: a renewal can hang for as long as its database is frozen, and then nothing else would
notice that the leases have ended.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass

import redis
from celery.worker import state
from django.db import DatabaseError, InterfaceError, connection

from aiops import keyspace, log
from aiops.conversations import transitions
from aiops.conversations.transitions import Claim
from aiops.events import stream
from aiops.runs.stopping import Stop, Why
from aiops.settings import Settings
from workers.loop import Loop

logger = log.get(__name__)


@dataclass(slots=True)
class Held:
    """A run this process works on."""

    claim: Claim
    stop: Stop
    renewed_at: float


class Leases:
    """What this process holds; a blocked loop loses nothing, because renewal has its own thread."""

    def __init__(self, settings: Settings, loop: Loop, *, worker: str, queue: str) -> None:
        self._settings = settings
        self._loop = loop
        self._worker = worker
        self._queue = queue
        self._held: dict[Claim, Held] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._watch, name="watchdog", daemon=True),
        ]

    def start(self) -> None:
        """Start the heartbeat and its watchdog."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop the heartbeat."""
        self._ended.set()
        with contextlib.suppress(redis.RedisError):
            keyspace.hide_worker(self._worker, queue=self._queue)

    def take(self, claim: Claim, stop: Stop, *, since: float) -> None:
        """Begin to renew a claim that was asked for at ``since`` (monotonic seconds): its lease may be that old."""
        with self._lock:
            self._held[claim] = Held(claim, stop, since)

    def give_up(self, claim: Claim) -> None:
        """Stop renewing a claim."""
        with self._lock:
            self._held.pop(claim, None)

    def stop_run(self, run_id: str) -> None:
        """Stop a run because its owner asked; nothing happens when it is not ours."""
        for held in self._all():
            if held.claim.run_id == run_id:
                self._loop.call(held.stop.ask, Why.CANCEL)

    def drain(self) -> None:
        """Stop every run so that another worker can go on with it."""
        for held in self._all():
            self._loop.call(held.stop.ask, Why.DRAIN)

    @property
    def count(self) -> int:
        """How many runs are held."""
        return len(self._held)

    def _all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def _beat(self) -> None:
        self._show_presence()
        while not self._ended.wait(self._settings.heartbeat_s):
            held = self._all()
            try:
                if held:
                    self._renew(held)
                self._show_presence()
            except Exception:  # a heart that stops would let others take every run of this process
                logger.exception("heartbeat.broke")

    def _watch(self) -> None:
        """Stop runs whose lease has surely ended: somebody else may have them."""
        while not self._ended.wait(self._settings.heartbeat_s / 2):
            for one in self._all():
                if time.monotonic() - one.renewed_at > self._settings.lease_s and one.stop.why is not Why.LOST:
                    logger.warning("lease.ended", run=one.claim.run_id)
                    self._loop.call(one.stop.ask, Why.LOST)

    def _renew(self, held: list[Held]) -> None:
        begun = time.monotonic()
        try:
            claims = [h.claim for h in held]
            kept, cancelled = transitions.renew(claims, worker=self._worker, lease_s=self._settings.lease_s)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("heartbeat.failed", error=str(error))
            return
        finally:
            connection.close()
        for one in held:
            if one.claim in kept:
                one.renewed_at = begun
            elif one.claim in self._held:  # not one that ended meanwhile
                logger.warning("lease.lost", run=one.claim.run_id)
                self._loop.call(one.stop.ask, Why.LOST)
            if one.claim in cancelled:
                self._loop.call(one.stop.ask, Why.CANCEL)
        stream.renew([claim.run_id for claim in kept], ttl_s=self._settings.stream_ttl_s)

    def _show_presence(self) -> None:
        """Let others see that this worker lives, and what it holds of the queue beside its runs."""
        try:
            in_hand = max(len(state.reserved_requests) - self.count, 0)
            keyspace.show_worker(self._worker, queue=self._queue, in_hand=in_hand)
        except redis.RedisError as error:
            logger.warning("heartbeat.unseen", error=str(error))
