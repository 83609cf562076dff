"""The open connections of each client address, limited over all web processes.

A process counts its own connections, reports the counts to Redis in the background, and closes the newest connections
of an address that has too many in all. While Redis does not answer, each process counts for itself.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from typing import Any

import redis
import redis.asyncio

from aiops import cancellation, keyspace, log

PAUSE_S = 0.1
"""Reports follow each other no faster."""
REFRESH_S = 5.0
EXPIRY_S = 15
"""A count that was not refreshed for this long is of a process that was killed."""
AT_A_TIME = 500

logger = log.get(__name__)

SHARE = """
local now = tonumber(redis.call('TIME')[1])
local process, expiry, totals = ARGV[1], tonumber(ARGV[2]), {}
for i, key in ipairs(KEYS) do
  local count = tonumber(ARGV[i + 2])
  if count > 0 then
    redis.call('HSET', key, process, count .. ' ' .. now)
    redis.call('EXPIRE', key, expiry)
  else
    redis.call('HDEL', key, process)
  end
  totals[i] = 0
  local fields = redis.call('HGETALL', key)
  for j = 1, #fields, 2 do
    local open, at = string.match(fields[j + 1], '(%d+) (%d+)')
    if now - at > expiry then redis.call('HDEL', key, fields[j]) else totals[i] = totals[i] + open end
  end
end
return totals
"""
"""Store a process's counts of these addresses; return the counts of all processes."""


class Clients:
    """The connections of one process, by the address they count as."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()
        self._changed: set[str] = set()
        self._new: defaultdict[str, list[asyncio.Transport]] = defaultdict(list)

    def __len__(self) -> int:
        return self._open.total()

    def add(self, address: str, transport: asyncio.Transport) -> bool:
        """Count a connection; return whether it is within the limit, as far as this process knows."""
        self._open[address] += 1
        self._changed.add(address)
        if self._open[address] > self._most:
            return False
        self._new[address].append(transport)
        return True

    def remove(self, address: str) -> None:
        """Count a connection no longer."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]
        self._changed.add(address)

    async def share(self, client: redis.asyncio.Redis, process: str) -> None:
        """Report this process's counts and obey the sums, for ever."""
        script: Any = client.register_script(SHARE)
        now = asyncio.get_running_loop().time
        refresh_at = 0.0
        while True:
            cancellation.raise_lost()
            await asyncio.sleep(PAUSE_S)
            addresses, self._changed = self._changed, set()
            if now() >= refresh_at:
                addresses, refresh_at = addresses | set(self._open), now() + REFRESH_S
            new, self._new = self._new, defaultdict(list)
            try:
                for some in _batches(sorted(addresses)):
                    counts = [self._open[address] for address in some]
                    keys = [keyspace.connections(address) for address in some]
                    totals = await script(keys=keys, args=[process, EXPIRY_S, *counts])
                    for address, total in zip(some, totals, strict=True):
                        self._close_excess(address, new[address], total)
            except (redis.RedisError, OSError) as error:
                logger.warning("connections.counted_alone", error=str(error))
                self._changed |= addresses
                await asyncio.sleep(REFRESH_S)

    def _close_excess(self, address: str, new: list[asyncio.Transport], total: int) -> None:
        excess = max(0, total - self._most)
        for transport in new[len(new) - min(excess, len(new)) :]:
            refuse(transport, address=address, open_=total)


def refuse(transport: asyncio.Transport, *, address: str, open_: int) -> None:
    """Close a connection that is one too many."""
    logger.warning("connection.refused", address=address, open=open_)
    transport.abort()


def _batches(addresses: list[str]) -> itertools.chain[list[str]]:
    starts = range(0, len(addresses), AT_A_TIME)
    return itertools.chain(addresses[start : start + AT_A_TIME] for start in starts)
