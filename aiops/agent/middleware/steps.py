"""Records every tool call as a visible step, and never repeats a call that may have taken effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from aiops.agent import tool_data
from aiops.agent.ports import Earlier, Watcher
from aiops.tool_servers.client.values import RemoteTool


class Steps(AgentMiddleware[Any, Any]):
    """Wraps every tool call, outermost: the recorded result is the one that the model gets."""

    def __init__(self, catalogue: Mapping[str, RemoteTool]) -> None:
        super().__init__()
        self._catalogue = catalogue

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        watcher: Watcher = request.runtime.context
        call = request.tool_call
        tool = self._catalogue.get(call["name"])
        begun = time.perf_counter()

        async def end(status: str, result: str) -> None:
            ms = (time.perf_counter() - begun) * 1e3
            await watcher.tool_finished(call["id"], status=status, ms=ms, result=result)

        earlier = await watcher.tool_started(call["id"], tool=tool, name=call["name"], arguments=call["args"])
        if earlier is not None:
            await end(earlier.status, earlier.result)
            return earlier_result(earlier, call["id"], call["name"])
        try:
            result = await handler(request)
        except asyncio.CancelledError:
            await end("unknown", "stopped")
            raise
        await end("error" if getattr(result, "status", "") == "error" else "ok", getattr(result, "text", ""))
        return result


def earlier_result(earlier: Earlier, call_id: str, name: str) -> ToolMessage:
    """Return the result, for the model, of a call that an earlier attempt made, or that was refused then."""
    failed = earlier.status != "ok"
    if earlier.of_tool:
        return tool_data.result(earlier.result, call_id=call_id, name=name, failed=failed)
    status: Literal["success", "error"] = "error" if failed else "success"
    return ToolMessage(earlier.result, tool_call_id=call_id, name=name, status=status)
