"""Keeps all processes together within what a model's provider allows: calls at once, requests and tokens a minute.

One Redis script decides for everybody. A 429 halves how many calls may be under way, and nobody asks before the time
that the provider named; each success opens the window a little again (additive increase, multiplicative decrease,
as in RFC 5681). While Redis is away nothing is held back, and the provider's own answers are the only limit.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import redis
import redis.asyncio

from aiops import keyspace, log, metrics
from aiops.agent.values import Pace

LONGEST_SLEEP_S = 1.0
"""Waiting calls ask again at least so often: a call that ends makes room early."""
FORGET_S = 900
"""A model that was not paced for this long is asked freely again."""

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
"""Return '0' and count the call, or the seconds after which to ask again. A foreground call that waits goes first."""

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
"""Take a call off; ``level`` is corrected by what it used more than was thought, and a refusal slows everybody."""


class Pacer:
    """One process's part; ``background`` calls (batches) let waiting foreground calls (chats) go first."""

    def __init__(self, client: redis.asyncio.Redis, pace: Pace, *, background: bool, hold_s: float) -> None:
        self.pace = pace
        self._client = client
        self._kind = "background" if background else "foreground"
        self._hold_s = hold_s
        self._enter: Any = client.register_script(ENTER)
        self._leave: Any = client.register_script(LEAVE)
        self._slowed: dict[str, float] = {}
        self._under_way: Counter[str] = Counter()
        """This process's calls, counted in Redis or not: what the first refusal is measured by."""

    def counts(self, model: str) -> bool:
        """Whether calls of a model are counted: its pace is limited, or somebody was refused lately."""
        return self.pace.limited or self._slowed.get(model, 0) > time.monotonic()

    def slow_down(self, model: str) -> None:
        """Count calls of a model from now on: somebody was refused."""
        self._slowed[model] = time.monotonic() + FORGET_S

    async def ask(self, model: str, call: str, *, tokens: int) -> float:
        """Return 0 when a call may be made now, else the seconds after which to ask again."""
        p = self.pace
        limits = [p.concurrency, p.requests_per_minute, p.tokens_per_minute]
        arguments = [call, tokens, *limits, self._kind, self._hold_s, FORGET_S]
        return float(await self._enter(keys=[keyspace.pace(model), keyspace.in_flight(model)], args=arguments))

    async def enter(self, model: str, *, tokens: int, waiting: Callable[[], Awaitable[None]]) -> str:
        """Wait until a call may be made, and return its name, empty when it isn't counted.

        ``waiting`` is called again and again meanwhile; what it raises ends the waiting.
        """
        call = await self._enter_counted(model, tokens, waiting) if self.counts(model) else ""
        self._under_way[model] += 1
        return call

    async def _enter_counted(self, model: str, tokens: int, waiting: Callable[[], Awaitable[None]]) -> str:
        call = uuid.uuid4().hex
        try:
            while wait_s := await self.ask(model, call, tokens=tokens):
                await waiting()
                await asyncio.sleep(min(wait_s, LONGEST_SLEEP_S) * random.uniform(1, 1.3))  # noqa: S311  (spreads load)
        except (redis.RedisError, OSError) as error:
            logger.warning("pace.unseen", model=model, error=str(error))
            return ""
        return call

    async def answered(self, model: str, call: str, *, more_tokens: int) -> None:
        """Note that a call was answered, and how many tokens it took more than was thought."""
        await self._left(model, call, "answered", more_tokens)

    async def ended(self, model: str, call: str) -> None:
        """Note that a call ended in some other way."""
        await self._left(model, call, "ended", 0)

    async def refused(self, model: str, call: str, *, retry_after_s: float) -> None:
        """Slow everybody down: the provider has too many requests."""
        metrics.count(metrics.MODEL_REFUSALS, model)
        self.slow_down(model)
        await self._left(model, call, "refused", 0, retry_after_s)
        try:
            await self._client.publish(keyspace.CONTROL, f"{keyspace.SLOW_DOWN}{model}")
        except (redis.RedisError, OSError) as error:
            logger.warning("pace.untold", model=model, error=str(error))

    async def _left(self, model: str, call: str, outcome: str, more_tokens: int, retry_after_s: float = 0) -> None:
        under_way = self._under_way[model]
        self._under_way[model] = max(under_way - 1, 0)
        if not call and outcome != "refused":
            return
        arguments = [call, more_tokens, outcome, retry_after_s, FORGET_S, under_way]
        try:
            await self._leave(keys=[keyspace.pace(model), keyspace.in_flight(model)], args=arguments)
        except (redis.RedisError, OSError) as error:
            logger.warning("pace.unseen", model=model, error=str(error))
