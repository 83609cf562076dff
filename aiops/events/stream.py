"""A run's stream in Redis: append, replay, partial answer. Entry ids are event ids, so an old claim cannot append."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import redis
import redis.asyncio

from aiops import keyspace, log
from aiops.events import types
from aiops.events.types import Event, EventId

MAX_ENTRIES = 20_000
"""Longest stream kept; older entries are trimmed, and a viewer behind them gets a resync event."""
OUTDATED = "equal or smaller than the target stream top item"

logger = log.get(__name__)


def _append(pipe: Any, run_id: str, events: Iterable[Event], *, ttl_s: int) -> None:
    for event in events:
        body = event.dumps()
        pipe.xadd(keyspace.events(run_id), {"e": body}, id=str(event.id), maxlen=MAX_ENTRIES, approximate=True)
        pipe.publish(keyspace.live(run_id), body)
    pipe.expire(keyspace.events(run_id), ttl_s)


def _check(run_id: str, answers: list[Any]) -> bool:
    """Return whether all were written: False, not an error, for an event of an outdated claim."""
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
    """Return (events after this id, whether some in between were trimmed or flushed); raises RedisError."""
    key = keyspace.events(run_id)
    pipe = client.pipeline(transaction=False)
    pipe.xrange(key, min=f"({after}", max="+")
    pipe.xrange(key, min=str(after), max=str(after))
    pipe.xrange(key, count=1)
    newer, at_cursor, first = await pipe.execute()
    # The viewer's last event is gone and others are there: trimmed, or flushed and written since.
    gap = after != types.START and not at_cursor and bool(first)
    if gap:
        newer = await client.xrange(key)
    return [Event.loads(fields[b"e"]) for _, fields in newer], gap


def newest(run_id: str, *, count: int) -> list[Event]:
    """Return the newest events of a run in their order, none when they have expired; raises RedisError."""
    entries: Any = keyspace.sync().xrevrange(keyspace.events(run_id), count=count)
    return [Event.loads(fields[b"e"]) for _, fields in reversed(entries)]


def partial_answer(run_id: str) -> str:
    """Return what a running run has answered so far, from its events; empty when Redis is down."""
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


def publish_changed(ids: Iterable[str]) -> None:
    """Let viewers of these batches reread the rows; when Redis is down they do so periodically."""
    changed = Event(types.START, types.CHANGED, {}).dumps()
    _execute("changes.unsent", lambda pipe: [pipe.publish(keyspace.live(one), changed) for one in ids])


def renew(run_ids: Iterable[str], *, ttl_s: int) -> None:
    """Extend the life of running runs' streams."""
    _execute("events.not_renewed", lambda pipe: [pipe.expire(keyspace.events(run_id), ttl_s) for run_id in run_ids])


def request_stop(run_ids: Iterable[str]) -> None:
    """Ask workers to stop runs at once; when Redis is down they learn it at their next heartbeat."""
    stop = partial(keyspace.control, keyspace.STOP)
    _execute("control.lost", lambda pipe: [pipe.publish(keyspace.CONTROL, stop(run_id)) for run_id in run_ids])


def forget(run_ids: Iterable[str]) -> None:
    """Delete the events of runs; when Redis is down they expire."""
    _execute("events.not_deleted", lambda pipe: [pipe.delete(keyspace.events(run_id)) for run_id in run_ids])


def _execute(failure: str, add: Callable[[Any], object]) -> None:
    """Send the commands that ``add`` puts on a pipeline, in one round trip; log ``failure`` when Redis is down."""
    try:
        pipe = keyspace.sync().pipeline(transaction=False)
        add(pipe)
        pipe.execute()
    except redis.RedisError as error:
        logger.warning(failure, error=str(error))
