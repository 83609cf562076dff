"""Memory in any Redis 6.2+ or Valkey, without modules: all of a conversation's checkpoints in one hash that expires.

Fields of the hash (parts joined by the unit separator): ``c`` ns id → checkpoint without its values; ``b`` ns channel
version → one value; ``w`` ns id task index → one pending write. A put is one round trip, a read is one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, cast

import redis
import redis.asyncio
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
    get_checkpoint_metadata,
)

AWAY = (redis.RedisError, OSError)
"""Errors of the saver when its server cannot be reached."""
SEPARATOR = "\x1f"
Fields = dict[tuple[str, ...], bytes]


class RedisSaver(BaseCheckpointSaver[str]):
    """A checkpoint saver whose threads expire ``ttl_s`` after their last use.

    ``key`` returns the key of a thread's hash; ``pattern`` matches all of these keys, to list every thread.
    """

    def __init__(self, client: redis.asyncio.Redis, *, key: Callable[[str], str], pattern: str, ttl_s: int) -> None:
        super().__init__()
        self._client = client
        self._key = key
        self._pattern = pattern
        self._ttl_s = ttl_s

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint and the values that changed."""
        thread, ns, parent = _place(config)
        values = checkpoint["channel_values"]
        fields = {
            _field("b", ns, channel, str(version)): self._dump(values[channel])
            for channel, version in new_versions.items()
            if channel in values
        }
        fields[_field("c", ns, checkpoint["id"])] = self._dump(
            ({**checkpoint, "channel_values": {}}, get_checkpoint_metadata(config, metadata), parent)
        )
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(self._key(thread), mapping=cast(Any, fields))
        pipe.expire(self._key(thread), self._ttl_s)
        await pipe.execute()
        return _config(thread, ns, checkpoint["id"])

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's pending writes; existing special writes (negative index) are replaced, ordinary ones stay."""
        thread, ns, checkpoint_id = _place(config)
        pipe = self._client.pipeline(transaction=True)
        for index, (channel, value) in enumerate(writes):
            place = WRITES_IDX_MAP.get(channel, index)
            field = _field("w", ns, checkpoint_id, task_id, str(place))
            put = pipe.hsetnx if place >= 0 else pipe.hset
            put(self._key(thread), field, self._dump((channel, value, task_path)))
        pipe.expire(self._key(thread), self._ttl_s)
        await pipe.execute()

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the requested checkpoint, or the latest; extends the thread's expiry."""
        thread, ns, wanted = _place(config)
        fields = await self._load(thread)
        checkpoint_id = wanted or max((f[2] for f in fields if f[0] == "c" and f[1] == ns), default="")
        return self._tuple(thread, ns, checkpoint_id, fields) if ("c", ns, checkpoint_id) in fields else None

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  (the base class names it so)
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, newest first within a thread."""
        wanted_ns = config["configurable"].get("checkpoint_ns") if config else None
        wanted_id = get_checkpoint_id(config) if config else None
        newest = get_checkpoint_id(before) if before else None
        left = limit if limit is not None else -1
        async for thread in self._threads(config):
            fields = await self._load(thread)
            for _, ns, id_ in sorted((f for f in fields if f[0] == "c"), key=lambda f: f[2], reverse=True):
                if left == 0:
                    return
                if (wanted_ns not in (None, ns)) or (wanted_id and id_ != wanted_id) or (newest and id_ >= newest):
                    continue
                found = self._tuple(thread, ns, id_, fields)
                if all(found.metadata.get(name) == value for name, value in (filter or {}).items()):
                    left -= 1
                    yield found

    async def adelete_thread(self, thread_id: str) -> None:
        await self._client.delete(self._key(thread_id))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep only each namespace's latest checkpoint and its values; ``delete`` removes those, too."""
        for thread_id in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread_id)
            else:
                await self._keep_latest(thread_id)

    async def _keep_latest(self, thread_id: str) -> None:
        fields = {_split(name) for name in await self._client.hkeys(self._key(thread_id))}
        latest = {
            ns: max(f[2] for f in fields if f[0] == "c" and f[1] == ns) for ns in {f[1] for f in fields if f[0] == "c"}
        }
        old = {f for f in fields if f[0] in "cw" and f[2] != latest.get(f[1])}
        blobs = [f for f in fields if f[0] == "b"]
        newest = {(f[1], f[2]): max((b[3] for b in blobs if b[1:3] == f[1:3]), key=int) for f in blobs}
        old |= {f for f in blobs if f[3] != newest[f[1], f[2]]}
        pipe = self._client.pipeline(transaction=True)
        if old:
            pipe.hdel(self._key(thread_id), *(_field(*f) for f in old))
        pipe.expire(self._key(thread_id), self._ttl_s)
        await pipe.execute()

    async def _threads(self, config: RunnableConfig | None) -> AsyncIterator[str]:
        if config is not None:
            yield str(config["configurable"]["thread_id"])
            return
        prefix = len(self._key(""))
        async for key in self._client.scan_iter(match=self._pattern, count=500):
            yield key.decode()[prefix:]

    async def _load(self, thread: str) -> Fields:
        pipe = self._client.pipeline(transaction=False)
        pipe.hgetall(self._key(thread))
        pipe.expire(self._key(thread), self._ttl_s)
        stored, _ = await pipe.execute()
        return {_split(name): value for name, value in stored.items()}

    def _tuple(self, thread: str, ns: str, id_: str, fields: Fields) -> CheckpointTuple:
        bare, metadata, parent = self._undump(fields["c", ns, id_])
        values = {
            channel: self._undump(fields["b", ns, channel, str(version)])
            for channel, version in bare["channel_versions"].items()
            if ("b", ns, channel, str(version)) in fields
        }
        writes = sorted((f for f in fields if f[0] == "w" and f[1:3] == (ns, id_)), key=lambda f: (f[3], int(f[4])))
        pending = [(f[3], *self._undump(fields[f])[:2]) for f in writes]
        return CheckpointTuple(
            config=_config(thread, ns, id_),
            checkpoint=cast(Checkpoint, {**bare, "channel_values": values}),
            metadata=metadata,
            parent_config=_config(thread, ns, parent) if parent else None,
            pending_writes=pending,
        )

    def _dump(self, value: Any) -> bytes:
        kind, raw = self.serde.dumps_typed(value)
        return kind.encode() + b"\0" + raw

    def _undump(self, stored: bytes) -> Any:
        kind, _, raw = stored.partition(b"\0")
        return self.serde.loads_typed((kind.decode(), raw))


def _place(config: RunnableConfig) -> tuple[str, str, str]:
    inner = config["configurable"]
    return str(inner["thread_id"]), inner.get("checkpoint_ns", ""), get_checkpoint_id(config) or ""


def _config(thread: str, ns: str, checkpoint_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread, "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}}


def _field(*parts: str) -> str:
    return SEPARATOR.join(parts)


def _split(name: Any) -> tuple[str, ...]:
    return tuple(name.decode().split(SEPARATOR))
