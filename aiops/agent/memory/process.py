"""Memory inside one process, lost when it ends; for tests, and when the memory server is unreachable."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.checkpoint.memory import InMemorySaver


class ProcessSaver(InMemorySaver):
    """LangGraph's in-memory saver with ``aprune``, which it lacks."""

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Keep only each namespace's latest checkpoint and its values; ``delete`` removes those, too."""
        for thread_id in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread_id)
            else:
                self._keep_latest(thread_id)

    def _keep_latest(self, thread_id: str) -> None:
        for ns, checkpoints in self.storage.get(thread_id, {}).items():
            latest = max(checkpoints, default="")
            for old in [id_ for id_ in checkpoints if id_ != latest]:
                del checkpoints[old]
                self.writes.pop((thread_id, ns, old), None)
            versions = self.serde.loads_typed(checkpoints[latest][0])["channel_versions"] if latest else {}
            for key in [k for k in self.blobs if k[:2] == (thread_id, ns) and versions.get(k[2]) != k[3]]:
                del self.blobs[key]
