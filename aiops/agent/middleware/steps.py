"""Makes every tool call a step that people see, and never makes a call again that may have taken effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from aiops.agent.ports import Earlier, Watcher
from aiops.tools.values import RemoteTool


class Steps(AgentMiddleware[Any, Any]):
    """Wraps every tool call, outermost: what it sees is what the model will see."""

    priority = 40

    def __init__(self, catalogue: Mapping[str, RemoteTool]) -> None:
        super().__init__()
        self._catalogue = catalogue

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Note the call, make it, note its end."""
        watcher: Watcher = request.runtime.context
        call = request.tool_call
        tool = self._catalogue.get(call["name"])
        begun = time.perf_counter()

        async def end(status: str, result: str) -> None:
            ms = (time.perf_counter() - begun) * 1e3
            await watcher.tool_finished(call["id"], status=status, ms=ms, result=result)

        made = await watcher.tool_started(call["id"], tool=tool, name=call["name"], arguments=call["args"])
        if made is not None:
            await end(made.status, made.result)
            return told(made, call["id"], call["name"])
        try:
            result = await handler(request)
        except asyncio.CancelledError:
            await end("unknown", "stopped")
            raise
        failed = getattr(result, "status", "success") == "error"
        await end("error" if failed else "ok", getattr(result, "text", ""))
        return result


def told(made: Earlier, call_id: str, name: str) -> ToolMessage:
    """Return what the model is told of a call that an earlier attempt made."""
    status: Literal["success", "error"] = "success" if made.status == "ok" else "error"
    return ToolMessage(made.result, tool_call_id=call_id, name=name, status=status)
