"""Counts that all web processes share, in Redis; while it does not answer in time, each process is alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import redis

from aiops import keyspace, log

ALONE_S = 5.0
"""After a failure, one request this often tries Redis again; the others do not wait for it."""

logger = log.get(__name__)


class Counts:
    """The shared counts, as one process reaches them; every method returns None while it is alone."""

    def __init__(self) -> None:
        self._alone_until = 0.0
        self._lock = threading.Lock()

    def add(self, key: str, by: int, *, ttl_s: int) -> int | None:
        """Add to a count that ends ``ttl_s`` after its last change, and return it."""
        answers = self._ask(lambda pipe: (pipe.incrby(key, by), pipe.expire(key, ttl_s)))
        return None if answers is None else int(answers[0])

    def read(self, key: str) -> int | None:
        """Return a count, 0 if there is none."""
        answers = self._ask(lambda pipe: pipe.get(key))
        return None if answers is None else int(answers[0] or 0)

    def remove(self, key: str) -> None:
        """Remove a count."""
        self._ask(lambda pipe: pipe.delete(key))

    def _ask(self, queue: Callable[[Any], object]) -> list[Any] | None:
        """Return the answers to the queued commands, which take one round trip."""
        with self._lock:
            now = time.monotonic()
            if now < self._alone_until:
                return None
            was_alone = self._alone_until > 0
            if was_alone:
                self._alone_until = now + ALONE_S  # this request tries; the others need not wait for it
        pipe = keyspace.quick().pipeline(transaction=False)
        queue(pipe)
        try:
            answers: list[Any] = pipe.execute()
        except (redis.RedisError, OSError) as error:
            self._alone_until = time.monotonic() + ALONE_S
            if not was_alone:
                logger.warning("counts.alone", error=str(error))
            return None
        if was_alone:
            self._alone_until = 0.0
            logger.info("counts.shared")
        return answers


shared = Counts()
