"""The consent of a run that asks nobody, for agents that tests build without a run."""

from __future__ import annotations

from typing import Any

from aiops.approvals.values import Permit, PlannedCall


class NobodyAsked:
    """Permits every call as it is."""

    def awaited_calls(self) -> frozenset[str]:
        return frozenset()

    def stored_step(self, messages: Any) -> None:
        return None

    async def consider(self, said: Any, results: Any, calls: Any) -> None:
        """Nobody is asked."""

    async def permit(self, call: PlannedCall) -> Permit:
        return Permit(call.arguments)
