"""A run's stream in Redis: append, replay, what was said. Entry ids are event ids, so old claims can't append."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import redis
import redis.asyncio

from aiops import keyspace, log
from aiops.events import types
from aiops.events.types import Event, EventId

MAX_ENTRIES = 20_000
"""Longest stream kept; older entries are trimmed and a watcher behind them is told to resync."""
OUTDATED = "equal or smaller than the target stream top item"

logger = log.get(__name__)


def _append(pipe: Any, run_id: str, events: Iterable[Event], *, ttl_s: int) -> None:
    for event in events:
        body = event.dumps()
        pipe.xadd(keyspace.events(run_id), {"e": body}, id=str(event.id), maxlen=MAX_ENTRIES, approximate=True)
        pipe.publish(keyspace.live(run_id), body)
    pipe.expire(keyspace.events(run_id), ttl_s)


def _check(run_id: str, answers: list[Any]) -> bool:
    """Return whether all were written; an event of an outdated claim is not an error but a no."""
    fresh = True
    for answer in answers:
        if isinstance(answer, redis.ResponseError) and OUTDATED in str(answer):
            logger.info("events.outdated", run=run_id)
            fresh = False
        elif isinstance(answer, Exception):
            raise answer
    return fresh


async def append(client: redis.asyncio.Redis, run_id: str, events: list[Event], *, ttl_s: int) -> bool:
    """Add and publish events in one round trip; False when a later claim has written already; raises RedisError."""
    pipe = client.pipeline(transaction=False)
    _append(pipe, run_id, events, ttl_s=ttl_s)
    return _check(run_id, await pipe.execute(raise_on_error=False))


def append_now(events: Mapping[str, Event], *, ttl_s: int) -> bool:
    """Add and publish one event of each run, in one round trip from a thread.

    False, logged, when Redis is down or some event is outdated.
    """
    if not events:
        return True
    try:
        pipe = keyspace.sync().pipeline(transaction=False)
        for run_id, event in events.items():
            _append(pipe, run_id, [event], ttl_s=ttl_s)
        return _check(",".join(events), pipe.execute(raise_on_error=False))
    except redis.RedisError as error:
        logger.warning("events.lost", runs=list(events), error=str(error))
        return False


async def replay(client: redis.asyncio.Redis, run_id: str, after: EventId) -> tuple[list[Event], bool]:
    """Return (events after this id, whether some between were lost to trimming or a flush); raises RedisError."""
    key = keyspace.events(run_id)
    pipe = client.pipeline(transaction=False)
    pipe.xrange(key, min=f"({after}", max="+")
    pipe.xrange(key, min=str(after), max=str(after))
    pipe.xrange(key, count=1)
    newer, at_cursor, first = await pipe.execute()
    gap = after != types.START and not at_cursor and bool(first)
    if gap:
        newer = await client.xrange(key)
    return [Event.loads(fields[b"e"]) for _, fields in newer], gap


def said(run_id: str) -> str:
    """Return the partial answer of a running run, from its events; empty when Redis is down."""
    try:
        entries: Any = keyspace.sync().xrange(keyspace.events(run_id))
    except redis.RedisError:
        return ""
    text = ""
    for _, fields in entries:
        event = Event.loads(fields[b"e"])
        if event.type == types.RESET:
            text = ""
        elif event.type == types.DELTA:
            text += event.data["text"]
        elif event.type == types.COMPLETED:
            text = event.data["text"]
    return text


def tell_changed(ids: Iterable[str]) -> None:
    """Let watchers of these batches look at their rows; logged when Redis is down (then they look by themselves)."""
    try:
        pipe = keyspace.sync().pipeline(transaction=False)
        for one in ids:
            pipe.publish(keyspace.live(one), Event(types.START, types.CHANGED, {}).dumps())
        pipe.execute()
    except redis.RedisError as error:
        logger.warning("changes.untold", error=str(error))


def renew(run_ids: list[str], *, ttl_s: int) -> None:
    """Keep the streams of running runs alive; logged when Redis is down."""
    try:
        pipe = keyspace.sync().pipeline(transaction=False)
        for run_id in run_ids:
            pipe.expire(keyspace.events(run_id), ttl_s)
        pipe.execute()
    except redis.RedisError as error:
        logger.warning("events.not_renewed", error=str(error))


def ask_to_stop(run_ids: Iterable[str]) -> None:
    """Tell workers at once that runs are to stop; when Redis is down they learn it from the heartbeat."""
    try:
        pipe = keyspace.sync().pipeline(transaction=False)
        for run_id in run_ids:
            pipe.publish(keyspace.CONTROL, run_id)
        pipe.execute()
    except redis.RedisError as error:
        logger.warning("control.lost", error=str(error))


def forget(run_ids: Iterable[str]) -> None:
    """Delete the events of runs; logged when Redis is down (they expire by themselves)."""
    keys = [keyspace.events(run_id) for run_id in run_ids]
    try:
        if keys:
            keyspace.sync().delete(*keys)
    except redis.RedisError as error:
        logger.warning("events.not_deleted", count=len(keys), error=str(error))
