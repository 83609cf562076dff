"""Keeps all processes together within a provider's limits: calls at once, requests and tokens per minute.

One Redis script decides for all processes. A 429 halves the number of calls that may be in flight and pauses all of
them for the provider's Retry-After; each success widens the window a little (additive increase, multiplicative
decrease, as in RFC 5681). While Redis is unreachable no call waits, and the provider's own answers are the only limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import astuple
from typing import Any

import redis
import redis.asyncio

from aiops import cancellation, keyspace, log, metrics
from aiops.llm.values import Pace

LONGEST_SLEEP_S = 1.0
"""Longest pause between two attempts of a waiting call: a call that ends early frees its place."""
FORGET_S = 900
"""A model that was not paced for this long is no longer paced."""

logger = log.get(__name__)

ENTER = """
local at = redis.call('TIME')
local now = at[1] + at[2] / 1e6
local id, need, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local requests, tokens = tonumber(ARGV[4]), tonumber(ARGV[5])
local waits, hold = ARGV[6] == 'background', tonumber(ARGV[7])
local s = redis.call('HMGET', KEYS[1], 'until', 'window', 'due', 'level', 'level_at', 'front')
local function wait(seconds)
  if not waits then redis.call('HSET', KEYS[1], 'front', now + 1.5) end
  redis.call('EXPIRE', KEYS[1], ARGV[8])
  return tostring(math.max(seconds, 0.02))
end
if tonumber(s[1] or 0) > now then return wait(s[1] - now) end
if waits and tonumber(s[6] or 0) > now then return wait(0.1) end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local room = math.floor(math.min(tonumber(s[2] or 1e9), most > 0 and most or 1e9))
if redis.call('ZCARD', KEYS[2]) >= room then return wait(0.1) end
local due = math.max(tonumber(s[3] or 0), now)
if requests > 0 then
  local early = due - now - 60 / requests * (math.max(requests / 10, 1) - 1)
  if early > 1e-6 then return wait(early) end
  redis.call('HSET', KEYS[1], 'due', due + 60 / requests)
end
if tokens > 0 then
  local level = math.min(tokens, tonumber(s[4] or tokens) + (now - tonumber(s[5] or now)) * tokens / 60)
  local lacking = math.min(need, tokens) - level
  if lacking > 0 then
    redis.call('HSET', KEYS[1], 'due', s[3] or 0)
    return wait(lacking * 60 / tokens)
  end
  redis.call('HSET', KEYS[1], 'level', level - need, 'level_at', now)
end
redis.call('ZADD', KEYS[2], now + hold, id)
redis.call('EXPIRE', KEYS[1], ARGV[8])
redis.call('EXPIRE', KEYS[2], ARGV[8])
return '0'
"""
"""Return '0' and count the call, or the seconds until the next attempt. A waiting foreground call goes first."""

LEAVE = """
local at = redis.call('TIME')
local now = at[1] + at[2] / 1e6
local more, outcome, asked = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local busy = math.max(redis.call('ZCARD', KEYS[2]), tonumber(ARGV[6]))
redis.call('ZREM', KEYS[2], ARGV[1])
local s = redis.call('HMGET', KEYS[1], 'until', 'window', 'cut', 'level', 'refused')
if s[4] then redis.call('HINCRBYFLOAT', KEYS[1], 'level', -more) end
if outcome == 'refused' then
  local refused = tonumber(s[5] or 0)
  if now - tonumber(s[3] or 0) > 1 then
    local window = math.max(math.floor(math.min(tonumber(s[2] or busy), busy) / 2), 1)
    refused = math.min(refused + 1, 4)
    redis.call('HSET', KEYS[1], 'window', window, 'cut', now, 'refused', refused)
  end
  local pause = math.max(asked, 0.25 * 2 ^ refused)
  redis.call('HSET', KEYS[1], 'until', math.max(tonumber(s[1] or 0), now + pause))
elseif outcome == 'answered' and s[2] then
  redis.call('HSET', KEYS[1], 'window', math.min(s[2] + 1 / math.max(tonumber(s[2]), 1), 1e4), 'refused', 0)
end
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 0
"""
"""Remove a call; correct ``level`` by the tokens used beyond the estimate; a refusal slows down all processes."""


class Pacer:
    """Paces the calls of one process; ``background`` calls (batches) let waiting foreground calls (chats) go first."""

    def __init__(self, client: redis.asyncio.Redis, pace: Pace, *, background: bool, hold_s: float) -> None:
        self.pace = pace
        self._client = client
        self._kind = "background" if background else "foreground"
        self._hold_s = hold_s
        self._enter_script: Any = client.register_script(ENTER)
        self._leave_script: Any = client.register_script(LEAVE)
        self._slowed: dict[str, float] = {}
        self._in_flight: Counter[str] = Counter()
        """Calls of this process, counted in Redis or not; the first refusal sets the window from them."""

    def counts(self, model: str, pace: Pace | None = None) -> bool:
        """Whether calls of a model are counted: it has limits, or the provider refused a call recently."""
        return (pace or self.pace) != Pace() or self._slowed.get(model, 0) > time.monotonic()

    def slow_down(self, model: str) -> None:
        """Count calls of a model from now on: the provider refused one."""
        self._slowed[model] = time.monotonic() + FORGET_S

    async def request_turn(self, model: str, call: str, *, tokens: int, pace: Pace | None = None) -> float:
        """Return 0 when a call may start now, otherwise the seconds until the next attempt."""
        arguments = [call, tokens, *astuple(pace or self.pace), self._kind, self._hold_s, FORGET_S]
        return float(await self._enter_script(keys=[keyspace.pace(model), keyspace.in_flight(model)], args=arguments))

    async def enter(
        self, model: str, *, tokens: int, waiting: Callable[[], Awaitable[None]], pace: Pace | None = None
    ) -> str:
        """Wait until a call may start, and return its id, empty when it isn't counted.

        ``pace`` are the model's own limits; None: those of the settings.
        ``waiting`` is awaited before each pause; an exception from it ends the wait.
        """
        call = uuid.uuid4().hex if self.counts(model, pace) else ""
        try:
            while call and (wait_s := await self.request_turn(model, call, tokens=tokens, pace=pace)):
                await waiting()
                await asyncio.sleep(min(wait_s, LONGEST_SLEEP_S) * random.uniform(1, 1.3))  # noqa: S311  (spreads load)
        except (redis.RedisError, OSError) as error:
            logger.warning("pace.unavailable", model=model, error=str(error))
            call = ""
        self._in_flight[model] += 1
        return call

    @contextlib.asynccontextmanager
    async def holding(self, model: str, call: str) -> AsyncIterator[None]:
        """Keep a counted call's place while it takes longer than ``hold_s``: only a dead process loses it."""
        renewing = asyncio.create_task(self._renew(model, call)) if call else None
        try:
            yield
        finally:
            if renewing is not None:
                renewing.cancel()

    async def _renew(self, model: str, call: str) -> None:
        while True:
            cancellation.raise_lost()
            await asyncio.sleep(self._hold_s / 3)
            try:
                now_s, _ = await self._client.time()
                await self._client.zadd(keyspace.in_flight(model), {call: now_s + self._hold_s}, xx=True)
            except (redis.RedisError, OSError) as error:
                logger.warning("pace.unavailable", model=model, error=str(error))

    async def answered(self, model: str, call: str, *, more_tokens: int) -> None:
        """Record that a call was answered, and its tokens beyond the estimate."""
        await self._leave(model, call, "answered", more_tokens)

    async def ended(self, model: str, call: str) -> None:
        """Record that a call ended without an answer."""
        await self._leave(model, call, "ended", 0)

    async def refused(self, model: str, call: str, *, retry_after_s: float) -> None:
        """Slow down all processes: the provider answered 429."""
        metrics.count(metrics.MODEL_REFUSALS, model)
        self.slow_down(model)
        await self._leave(model, call, "refused", 0, retry_after_s)
        try:
            await self._client.publish(keyspace.CONTROL, keyspace.control(keyspace.SLOW_DOWN, model))
        except (redis.RedisError, OSError) as error:
            logger.warning("pace.slow_down_not_sent", model=model, error=str(error))

    async def _leave(self, model: str, call: str, outcome: str, more_tokens: int, retry_after_s: float = 0) -> None:
        in_flight = self._in_flight[model]
        self._in_flight[model] = max(in_flight - 1, 0)
        if not call and outcome != "refused":
            return
        arguments = [call, more_tokens, outcome, retry_after_s, FORGET_S, in_flight]
        try:
            await self._leave_script(keys=[keyspace.pace(model), keyspace.in_flight(model)], args=arguments)
        except (redis.RedisError, OSError) as error:
            logger.warning("pace.unavailable", model=model, error=str(error))
