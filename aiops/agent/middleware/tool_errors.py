"""Turns a tool's exception into a result that the model can read, so that one failed call does not end the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp

from aiops import log
from aiops.tool_servers.client.server import ServerDown, ToolTimeout

logger = log.get(__name__)


class ToolErrors(AgentMiddleware[Any, Any]):
    """Wraps every tool call, inside all other middleware."""

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        try:
            return await handler(request)
        except GraphBubbleUp:
            raise
        except (ServerDown, ToolTimeout, ToolException) as error:
            text = str(error)
        except Exception as error:  # noqa: BLE001  foreign code can raise anything
            logger.warning("tool.raised", tool=request.tool_call["name"], error=type(error).__name__)
            text = f"The tool failed: {type(error).__name__}: {error}"
        call = request.tool_call
        return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")
