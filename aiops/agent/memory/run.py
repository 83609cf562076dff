"""The memory of one run: read once, and done without when its server goes away, so that no answer is lost for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """Passes on to ``saver`` until that fails; from then on remembers nothing and ``lost`` says so.

    What a run with effects has done is in its row too, so going on without memory repeats none of it. Nothing is
    written once ``ours`` says no: another worker has the run, and its memory must not be overwritten.
    """

    def __init__(
        self, saver: BaseCheckpointSaver[Any], *, away: tuple[type[Exception], ...], ours: Callable[[], bool]
    ) -> None:
        super().__init__(serde=saver.serde)
        self._away = away
        self._saver = saver
        self._ours = ours
        self._read = False
        self._latest: CheckpointTuple | None = None
        self.lost = False

    def get_next_version(self, current: Any, channel: None = None) -> Any:
        """Return the next version of a channel, as the saver counts."""
        return self._saver.get_next_version(current, channel)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the latest checkpoint, as it was when this run began."""
        if get_checkpoint_id(config):
            return await self._saver.aget_tuple(config)
        if not self._read:
            self._read = True
            try:
                self._latest = await self._saver.aget_tuple(config)
            except self._away as error:
                self._lose(error)
        return self._latest

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint, while there is where."""
        if self._may_write:
            try:
                return await self._saver.aput(config, checkpoint, metadata, new_versions)
            except self._away as error:
                self._lose(error)
        place = {**config["configurable"], "checkpoint_id": checkpoint["id"]}
        return {"configurable": place}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Store a task's writes, while there is where."""
        if self._may_write:
            try:
                await self._saver.aput_writes(config, writes, task_id, task_path)
            except self._away as error:
                self._lose(error)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep only the latest checkpoint; a failure costs room until the next run, not the answer."""
        if self._may_write:
            try:
                await self._saver.aprune(thread_ids, strategy=strategy)
            except self._away as error:
                logger.warning("memory.not_tidied", error=str(error))

    @property
    def _may_write(self) -> bool:
        return not self.lost and self._ours()

    def _lose(self, error: BaseException) -> None:
        self.lost = True
        logger.warning("memory.unavailable", error=f"{type(error).__name__}: {error}"[:300])
