"""The leases of a worker process: a thread renews them all with one UPDATE and collects requests to stop.

A watchdog thread drops runs whose lease has expired: a renewal hangs for as long as the database is frozen. A third
thread reports that the process is alive: with a busy database too, the worker holds what it took from the queue.
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
from aiops.events import stream
from aiops.runs import transitions
from aiops.runs.transitions import Claim
from aiops.runs.work.stopping import Stop, Why
from aiops.settings import Settings
from workers.loop import Loop

logger = log.get(__name__)


@dataclass(slots=True)
class Held:
    """A run that this process is working on."""

    claim: Claim
    stop: Stop
    renewed_at: float


class Leases:
    """The runs that this process holds. Renewal has its own thread, so a blocked loop loses no lease."""

    def __init__(self, settings: Settings, loop: Loop, *, worker: str, queue: str) -> None:
        self._settings = settings
        self._loop = loop
        self._worker = worker
        self._queue = queue
        self._held: dict[Claim, Held] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._presence = threading.Thread(target=self._report_presence, name="presence", daemon=True)
        self._threads = [
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
            threading.Thread(target=self._watch, name="watchdog", daemon=True),
            self._presence,
        ]

    def start(self) -> None:
        """Start the heartbeat, its watchdog and the presence thread."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Stop the threads and remove this worker from the list of live ones."""
        self._ended.set()
        if self._presence.is_alive():
            self._presence.join(timeout=2)  # it must not report this worker again after hide_worker
        with contextlib.suppress(redis.RedisError):
            keyspace.hide_worker(self._worker, queue=self._queue)

    def take(self, claim: Claim, stop: Stop, *, since: float) -> None:
        """Start to renew a claim that was requested at ``since`` (monotonic seconds): its lease may be that old."""
        with self._lock:
            self._held[claim] = Held(claim, stop, since)

    def release(self, claim: Claim) -> None:
        """Stop renewing a claim."""
        with self._lock:
            self._held.pop(claim, None)

    def stop_run(self, run_id: str) -> None:
        """Stop a run at its owner's request, if this process holds it."""
        for held in self._all():
            if held.claim.run_id == run_id:
                self._loop.call(held.stop.ask, Why.CANCEL)

    def drain(self) -> None:
        """Stop every run so that another worker can resume it."""
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
        while not self._ended.wait(self._settings.heartbeat_s):
            held = self._all()
            try:
                if held:
                    self._renew(held)
            except Exception:  # a dead heartbeat would cost this process every lease
                logger.exception("heartbeat.broke")

    def _watch(self) -> None:
        """Stop runs whose lease has expired: another worker may have claimed them."""
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
            elif one.claim in self._held:  # a run that ended meanwhile has lost nothing
                logger.warning("lease.lost", run=one.claim.run_id)
                self._loop.call(one.stop.ask, Why.LOST)
            if one.claim in cancelled:
                self._loop.call(one.stop.ask, Why.CANCEL)
        stream.renew([claim.run_id for claim in kept], ttl_s=self._settings.stream_ttl_s)

    def _report_presence(self) -> None:
        """Report that this worker is alive and how many messages it holds besides its runs."""
        while True:
            try:
                in_hand = max(len(state.reserved_requests) - self.count, 0)
                keyspace.show_worker(self._worker, queue=self._queue, in_hand=in_hand)
            except redis.RedisError as error:
                logger.warning("heartbeat.unseen", error=str(error))
            except Exception:  # the next report may succeed
                logger.exception("presence.broke")
            if self._ended.wait(self._settings.heartbeat_s):
                return
