"""Redis: the clients, the name of every key, and how long each lives. No other file spells a key."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from aiops import settings

CONTROL = "aiops:control"
"""Channel on which workers are asked to stop a run: the payload is the run's id."""


def events(run_id: str) -> str:
    """Stream of a run's events; lives ``stream_ttl_s`` after its last renewal."""
    return f"aiops:events:{run_id}"


def live(run_id: str) -> str:
    """Channel on which a run's events are published as they happen."""
    return f"aiops:live:{run_id}"


def memory(conversation_id: str) -> str:
    """Hash with all checkpoints of one conversation; lives ``memory_ttl_s`` + ``memory_grace_s`` after use."""
    return f"aiops:memory:{conversation_id}"


WORKERS = "aiops:workers"
"""Sorted set of worker processes by the time (Unix seconds) of their last heartbeat."""


SILENT_S = 15.0
"""A worker without a heartbeat for this long is gone."""


def live_workers() -> int:
    """Return how many worker processes have shown themselves lately; raises RedisError."""
    return int(sync().zcount(WORKERS, time.time() - SILENT_S, "+inf"))


def canary(nonce: str) -> str:
    """Key that a worker sets to answer a doctor's question; lives a minute."""
    return f"aiops:canary:{nonce}"


ONE_SERVER = (
    "Give the address of the primary itself, or of a proxy that follows it: neither Cluster nor Sentinel serves."
)


def refuse_clusters(*urls: str) -> None:
    """Raise RuntimeError when an address leads to a Redis Cluster or a Sentinel; one that is down is not asked."""
    for url in {u for u in urls if u.startswith("redis")}:
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
            if (kind := mode(sync(url).info("server"))) != "standalone":
                raise RuntimeError(f"The Redis server is a {kind}. {ONE_SERVER}")


def mode(info: dict[str, Any]) -> str:
    """Return standalone, cluster or sentinel, as a server's INFO says in Redis's word or Valkey's."""
    return str(info.get("redis_mode") or info.get("server_mode"))


EVENTS_PATTERN = events("*")
MEMORY_PATTERN = memory("*")


def _options(url: str) -> dict[str, Any]:
    if not url:
        raise RuntimeError("REDIS_URL is not set: start with `aiops up`, or set it to a Redis or Valkey server")
    return {
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "health_check_interval": 10,
        "socket_keepalive": True,
        "socket_keepalive_options": _within(settings.current().lease_s / 2),
    }


def _within(seconds: float) -> dict[int, int]:
    """Let the kernel drop what a server has not acknowledged in time: it must not arrive when the lease has ended."""
    return {socket.TCP_USER_TIMEOUT: int(seconds * 1_000)} if hasattr(socket, "TCP_USER_TIMEOUT") else {}


def client(url: str) -> redis.Redis:
    """Return a blocking client: a broken connection is opened once more, a silent server is given up after 2 s."""
    retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 1, supported_errors=(redis.ConnectionError,))
    options = {**_options(url), "socket_timeout": 2, "socket_connect_timeout": 1}
    made: redis.Redis = redis.Redis.from_url(url, retry=retry, **options)
    return made


def async_client(url: str, *, retries: int = 2, timeout_s: float = 5, max_connections: int = 64) -> redis.asyncio.Redis:
    """Return an asyncio client bound to the loop it is first used on; memory asks for more ``retries``."""
    retry = AsyncRetry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), retries)
    options = {**_options(url), "socket_timeout": timeout_s}
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, retry=retry, max_connections=max_connections, timeout=5, **options
    )
    return redis.asyncio.Redis.from_pool(pool)


def sync(url: str = "") -> redis.Redis:
    """Return this process's blocking client: of ``url``, otherwise for events and control."""
    url = url or settings.current().redis_url.get_secret_value()
    if url not in _clients:
        _clients[url] = client(url)
    return _clients[url]


_clients: dict[str, redis.Redis] = {}
