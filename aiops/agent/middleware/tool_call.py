"""Calls the tools of tool servers; whatever fails becomes a result that the model can read, so that the run goes on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langgraph.errors import GraphBubbleUp

from aiops import log
from aiops.agent import tool_data
from aiops.agent.ports import MadeCall, Tools, Watcher
from aiops.tool_servers.client.errors import ServerDown, ToolTimeout
from aiops.tool_servers.client.values import RemoteTool, ToolResult

UNKNOWN = "There is no tool {name!r}."
AWAY = "The tool {name!r} cannot be called now: the tool server {server!r} is not available."

logger = log.get(__name__)


class ToolCall(AgentMiddleware[Any, Any]):
    """Innermost around tools: LangChain's own tool layer would take some arguments for itself and change results.

    Only tools that other middleware brings are left to it.
    """

    def __init__(self, tools: Tools, offered: Mapping[str, RemoteTool], missing: tuple[str, ...]) -> None:
        super().__init__()
        self._tools = tools
        self._offered = offered
        self._missing = missing

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        call, watcher = request.tool_call, request.runtime.context
        tool = self._offered.get(call["name"])
        try:
            if tool is None and request.tool is not None:
                return await handler(request)
            result = ToolResult(self._absence(call["name"]), failed=True)
            if tool is not None:
                result = await self._call(tool, call, watcher)
                return tool_data.result(result.text, call_id=call["id"], name=call["name"], failed=result.failed)
        except GraphBubbleUp:
            raise
        except (ServerDown, ToolTimeout) as error:
            result = ToolResult(str(error), failed=True)
        except Exception as error:  # noqa: BLE001  foreign code can raise anything
            logger.warning("tool.raised", tool=call["name"], error=type(error).__name__)
            result = ToolResult(f"The tool failed: {type(error).__name__}: {error}", failed=True)
        status: Any = "error" if result.failed else "success"
        return ToolMessage(result.text, tool_call_id=call["id"], name=call["name"], status=status)

    async def _call(self, tool: RemoteTool, call: Any, watcher: Watcher) -> ToolResult:
        begun, outcome, size = time.perf_counter(), "unknown", 0
        try:
            progress = partial(watcher.tool_progress, call["id"])
            key = watcher.idempotency_key(call["id"])
            result = await self._tools.call(tool, call["args"], user_id=watcher.user_id, on_progress=progress, key=key)
            outcome, size = "error" if result.failed else "ok", len(result.text.encode(errors="replace"))
            return result
        except Exception:
            outcome = "error"
            raise
        finally:  # also when the run is stopped during the call
            ms = (time.perf_counter() - begun) * 1e3
            watcher.tool_called(call["id"], MadeCall(tool, call["args"], outcome, ms, size))

    def _absence(self, name: str) -> str:
        """Return why a tool cannot be called: the model may know it from earlier in the conversation."""
        server = next((one for one in self._missing if name.startswith(f"{one}_")), None)
        return UNKNOWN.format(name=name) if server is None else AWAY.format(name=name, server=server)
