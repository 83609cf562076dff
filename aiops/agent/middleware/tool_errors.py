"""Turns what a tool raises into a message the model can read, so that one failed call does not end the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain.agents.middleware import AgentMiddleware
from langchain_core.messages import ToolMessage
from langchain_core.tools import ToolException
from langgraph.errors import GraphBubbleUp

from aiops import log
from aiops.tools.server import ServerDown, ToolTimeout

logger = log.get(__name__)


class ToolErrors(AgentMiddleware[Any, Any]):
    """Wraps every tool call, innermost."""

    priority = 90

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return the tool's result, or its error as a result."""
        try:
            return await handler(request)
        except GraphBubbleUp:
            raise
        except (ServerDown, ToolTimeout, ToolException) as error:
            text = str(error)
        except Exception as error:  # noqa: BLE001  a tool is somebody else's code: whatever it raises is a failed call
            logger.warning("tool.raised", tool=request.tool_call["name"], error=type(error).__name__)
            text = f"The tool failed: {type(error).__name__}: {error}"
        call = request.tool_call
        return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status="error")
