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


def workers(queue: str) -> str:
    """Sorted set of a queue's worker processes by the time (Unix seconds) of their last heartbeat."""
    return f"aiops:workers:{queue}"


def held(queue: str) -> str:
    """Hash: how many messages each worker process had taken from the queue, and not claimed, at its last heartbeat."""
    return f"aiops:held:{queue}"


SILENT_S = 15.0
"""A worker without a heartbeat for this long is gone."""
FORGOTTEN_S = 60.0
"""What is known of a worker is removed when it has been silent for this long."""


def show_worker(worker: str, *, queue: str, in_hand: int) -> None:
    """Let others see that a worker process lives and how many messages it holds unclaimed; raises RedisError."""
    now = time.time()
    gone = sync().zrangebyscore(workers(queue), 0, now - FORGOTTEN_S)
    pipe = sync().pipeline(transaction=False)
    pipe.zadd(workers(queue), {worker: now})
    pipe.hset(held(queue), worker, in_hand)
    if gone:
        pipe.zrem(workers(queue), *gone)
        pipe.hdel(held(queue), *gone)
    pipe.execute()


def hide_worker(worker: str, *, queue: str) -> None:
    """Forget a worker process that ends; raises RedisError."""
    sync().zrem(workers(queue), worker)
    sync().hdel(held(queue), worker)


def live_workers(queue: str) -> int:
    """Return how many worker processes of a queue have shown themselves lately; raises RedisError."""
    return int(sync().zcount(workers(queue), time.time() - SILENT_S, "+inf"))


def held_unclaimed(queue: str, *, seen_within_s: float) -> int:
    """Return how many messages are in the hands of workers that showed themselves so lately; raises RedisError."""
    seen: Any = sync().zrangebyscore(workers(queue), time.time() - seen_within_s, "+inf")
    counts: list[Any] = sync().hmget(held(queue), seen) if seen else []
    return sum(int(count or 0) for count in counts)


SLOW_DOWN = "slow-down:"
"""How a message on CONTROL begins that names a model whose provider refuses calls."""
TOOLS = "tools"
"""The message on CONTROL after which workers read the tool servers anew, and their lists of tools."""


def pace(model: str) -> str:
    """Hash of a model's pace: until when nobody asks, how many may at once, when the next request is due."""
    return f"aiops:pace:{model}"


def in_flight(model: str) -> str:
    """Sorted set of a model's calls under way, by the time (Unix seconds) when they are given up."""
    return f"aiops:in-flight:{model}"


METRICS = "aiops:metrics"
"""Hash of what all processes have counted, by metric, labels and part."""
GAUGES = "aiops:gauges"
"""Hash of what each process last told of its present state."""


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
