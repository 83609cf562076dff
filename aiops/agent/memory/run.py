"""The memory of one run: read once, and given up when its server is unreachable, so that no answer is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)

from aiops import log

logger = log.get(__name__)


class RunMemory(BaseCheckpointSaver[Any]):
    """Delegates to ``saver`` until that raises one of ``away``; then ``lost`` is set and nothing is stored.

    The run's row also records its tool calls with effects, so continuing without memory repeats none of them. Nothing
    is written once ``may_write`` returns False: another worker owns the run, and its memory must not be overwritten.
    """

    def __init__(
        self, saver: BaseCheckpointSaver[Any], *, away: tuple[type[Exception], ...], may_write: Callable[[], bool]
    ) -> None:
        super().__init__(serde=saver.serde)
        self._away = away
        self._saver = saver
        self._may_write = may_write
        self._read = False
        self._latest: CheckpointTuple | None = None
        self.lost = False

    def get_next_version(self, current: Any, channel: None = None) -> Any:
        return self._saver.get_next_version(current, channel)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the latest checkpoint, as it was when this run began or read it again."""
        if get_checkpoint_id(config):
            return await self._saver.aget_tuple(config)
        if not self._read:
            self._read = True
            self._latest = await self._unless_away(self._saver.aget_tuple, config)
        return self._latest

    def read_again(self) -> None:
        """Let the next read find what this run has stored since it began."""
        self._read = self.lost

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        if not self.lost and self._may_write():
            await self._unless_away(self._saver.aput, config, checkpoint, metadata, new_versions)
        return {"configurable": {**config["configurable"], "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        if not self.lost and self._may_write():
            await self._unless_away(self._saver.aput_writes, config, writes, task_id, task_path)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep only the latest checkpoint; a failure costs space until the next run, not the answer."""
        if not self.lost and self._may_write():
            try:
                await self._saver.aprune(thread_ids, strategy=strategy)
            except self._away as error:
                logger.warning("memory.not_pruned", error=str(error))

    async def _unless_away(self, operation: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        try:
            return await operation(*arguments)
        except self._away as error:
            self.lost = True
            logger.warning("memory.unavailable", error=f"{type(error).__name__}: {error}"[:300])
