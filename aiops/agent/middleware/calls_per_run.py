"""Limits how often one run may call a tool, where an administrator has set a limit for that tool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage

from aiops.agent.ports import Watcher
from aiops.tool_servers.client.values import RemoteTool

TOO_OFTEN = "The tool {name!r} may be called {limit} times in one run, and was: go on without it."


class CallsPerRun(AgentMiddleware[Any, Any]):
    """Wraps every tool call, inside ``Steps``, which counts them: also those of an earlier attempt of the run."""

    def __init__(self, catalogue: Mapping[str, RemoteTool]) -> None:
        super().__init__()
        self._catalogue = catalogue

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        call = request.tool_call
        tool = self._catalogue.get(call["name"])
        watcher: Watcher = request.runtime.context
        if tool is None or tool.calls_per_run is None or watcher.calls_before(call["id"]) < tool.calls_per_run:
            return await handler(request)
        text = TOO_OFTEN.format(name=call["name"], limit=tool.calls_per_run)
        return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")
