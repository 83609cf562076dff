"""Redis: the clients, the names of all keys and channels, and how long keys live. No other file spells a key."""

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
"""Channel that every worker process subscribes to; a message is ``name:payload`` (see ``control``)."""
STOP, SLOW_DOWN, TOOLS, SECRETS, MODELS, ACCOUNT = "stop", "slow_down", "tools", "secrets", "models", "account"
"""Messages: stop this run; this model's provider answers 429; reload the tool servers and their tools; a secret has
changed; the models, or what they are made of, have changed; a person's account, or credentials, have changed."""


def answer(digest: str) -> str:
    """Return the key of an answer that is kept for the same question."""
    return f"aiops:answer:{digest}"


def control(name: str, payload: str = "") -> str:
    """Return a message for the control channel."""
    return f"{name}:{payload}"


def events(run_id: str) -> str:
    """Stream of a run's events; lives ``stream_ttl_s`` after its last renewal."""
    return f"aiops:events:{run_id}"


def live(run_id: str) -> str:
    """Channel on which a run's events are published as they happen."""
    return f"aiops:live:{run_id}"


def memory(conversation_id: str) -> str:
    """Hash with all checkpoints of one conversation; lives ``memory_ttl_s`` + ``memory_grace_s`` after its last use."""
    return f"aiops:memory:{conversation_id}"


def workers(queue: str) -> str:
    """Sorted set of a queue's worker processes, by the time of their last heartbeat (Unix seconds)."""
    return f"aiops:workers:{queue}"


def held(queue: str) -> str:
    """Hash: unclaimed messages that each worker process had taken from the queue at its last heartbeat."""
    return f"aiops:held:{queue}"


SILENT_S = 15.0
"""A worker without a heartbeat for this long counts as gone."""
FORGOTTEN_S = 60.0
"""A worker's entries are removed when its last heartbeat is this old."""


def show_worker(worker: str, *, queue: str, in_hand: int) -> None:
    """Record a worker's heartbeat and how many unclaimed messages it holds; raises RedisError."""
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
    """Remove a worker process that ends; raises RedisError."""
    sync().zrem(workers(queue), worker)
    sync().hdel(held(queue), worker)


def live_workers(queue: str) -> int:
    """Return how many worker processes of a queue have a recent heartbeat; raises RedisError."""
    return int(sync().zcount(workers(queue), time.time() - SILENT_S, "+inf"))


def seen_workers(queue: str) -> dict[str, float]:
    """Return the worker processes of a queue with a recent heartbeat, and the seconds since it; raises RedisError."""
    now = time.time()
    rows: Any = sync().zrangebyscore(workers(queue), now - SILENT_S, "+inf", withscores=True)
    return {name.decode(): max(now - at, 0.0) for name, at in rows}


def held_unclaimed(queue: str, *, seen_within_s: float) -> int:
    """Return how many unclaimed messages workers hold that sent a heartbeat in this time; raises RedisError."""
    seen: Any = sync().zrangebyscore(workers(queue), time.time() - seen_within_s, "+inf")
    counts: list[Any] = sync().hmget(held(queue), seen) if seen else []
    return sum(int(count or 0) for count in counts)


def pace(model: str) -> str:
    """Hash of a model's pacing: paused until, maximum concurrent calls, when the next call is due."""
    return f"aiops:pace:{model}"


def in_flight(model: str) -> str:
    """Sorted set of a model's calls in flight, by the time (Unix seconds) after which they no longer count."""
    return f"aiops:in-flight:{model}"


def throttle(name: str, window: int) -> str:
    """Count of one kind of request or failure in one window (a number of the minute); ``name`` says of whom."""
    return f"aiops:throttle:{name}:{window}"


def known_token(digest: str) -> str:
    """Key that exists while an API token was valid recently."""
    return f"aiops:known-token:{digest}"


def connections(address: str) -> str:
    """Hash of a client address's open connections: of each web process, the count and when it was reported."""
    return f"aiops:connections:{address}"


METRICS = "aiops:metrics"
"""Hash of the sums of all processes, by metric, labels and part."""
GAUGES = "aiops:gauges"
"""Hash of the last reported gauges of each process."""


def canary(nonce: str) -> str:
    """Key that a worker sets to answer a canary of `aiops doctor`; lives one minute."""
    return f"aiops:canary:{nonce}"


ONE_SERVER = "Cluster and Sentinel are not supported: give the address of the primary, or of a proxy that follows it."


def refuse_clusters(*urls: str) -> None:
    """Raise RuntimeError if a URL leads to a Redis Cluster or a Sentinel; servers that are down are skipped."""
    for url in {u for u in urls if u.startswith("redis")}:
        with contextlib.suppress(redis.ConnectionError, redis.TimeoutError):
            if (kind := mode(sync(url).info("server"))) != "standalone":
                raise RuntimeError(f"The Redis server is a {kind}. {ONE_SERVER}")


def mode(info: dict[str, Any]) -> str:
    """Return standalone, cluster or sentinel from the INFO of Redis or Valkey."""
    return str(info.get("redis_mode") or info.get("server_mode"))


EVENTS_PATTERN = events("*")
MEMORY_PATTERN = memory("*")
SCAN_STEP = 500


def set_missing_expiries(client: redis.Redis, pattern: str, *, ttl_s: int) -> tuple[int, int]:
    """Set the expiry of keys that lack one; return (keys that match, expiries set). Raises RedisError.

    A key lacks one when its client died between two commands, or someone ran PERSIST.
    """
    seen = changed = 0
    for key in client.scan_iter(match=pattern, count=SCAN_STEP):
        seen += 1
        if client.ttl(key) == -1:
            client.expire(key, ttl_s)
            changed += 1
    return seen, changed


def _options(url: str) -> dict[str, Any]:
    if not url:
        raise RuntimeError("REDIS_URL is not set: start with `aiops up`, or set it to a Redis or Valkey server")
    # The kernel drops unacknowledged writes in time: they must not arrive after the lease has ended.
    unacknowledged_ms = int(settings.current().lease_s / 2 * 1_000)
    return {
        "socket_timeout": 5,
        "socket_connect_timeout": 5,
        "health_check_interval": 10,
        "socket_keepalive": True,
        "socket_keepalive_options": (
            {socket.TCP_USER_TIMEOUT: unacknowledged_ms} if hasattr(socket, "TCP_USER_TIMEOUT") else {}
        ),
    }


def async_client(url: str, *, retries: int = 2, timeout_s: float = 5, max_connections: int = 64) -> redis.asyncio.Redis:
    """Return an asyncio client, bound to the loop that first uses it."""
    retry = AsyncRetry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), retries)
    options = {**_options(url), "socket_timeout": timeout_s}
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url, retry=retry, max_connections=max_connections, timeout=5, **options
    )
    return redis.asyncio.Redis.from_pool(pool)


def sync(url: str = "") -> redis.Redis:
    """Return this process's blocking client of ``url`` (default: the Redis of events).

    It retries a broken connection once, and drops a server that is silent for 2 s.
    """
    url = url or settings.current().redis_url.get_secret_value()
    return _blocking(url, socket_timeout=2, socket_connect_timeout=1)


def quick() -> redis.Redis:
    """Return this process's blocking client for what a request can do without; it drops a server silent for 0.5 s."""
    url = settings.current().redis_url.get_secret_value()
    return _blocking(url, socket_timeout=0.5, socket_connect_timeout=0.5, health_check_interval=0)


def _blocking(url: str, **options: float) -> redis.Redis:
    key = (url, *options.values())
    if key not in _clients:
        retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), 1, supported_errors=(redis.ConnectionError,))
        _clients[key] = redis.Redis.from_url(url, retry=retry, **{**_options(url), **options})
    return _clients[key]


_clients: dict[tuple[Any, ...], redis.Redis] = {}
