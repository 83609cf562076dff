"""Asks people about calls that a policy wants decided, and lets no call be made that none allows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain.agents.middleware import AgentMiddleware, ModelResponse
from langchain_core.messages import AIMessage, ToolMessage

from aiops.agent.ports import Watcher
from aiops.approvals.values import PlannedCall
from aiops.tool_servers.client.values import RemoteTool


class Approval(AgentMiddleware[Any, Any]):
    """Outermost around model calls. A step that was decided about is taken up as it was: no model is asked for it."""

    def __init__(self, catalogue: Mapping[str, RemoteTool]) -> None:
        super().__init__()
        self._catalogue = catalogue

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        """Return the model's answer; raises Parked when people must decide about a call of it."""
        watcher: Watcher = request.runtime.context
        if (stored := watcher.consent.stored_step(request.messages)) is not None:
            return ModelResponse(result=stored)
        response = await handler(request)
        messages = response.result if isinstance(response, ModelResponse) else [response]
        refused = {one.tool_call_id for one in messages if isinstance(one, ToolMessage)}
        for said in messages:
            if isinstance(said, AIMessage) and said.tool_calls:
                planned = [planned_call(said, call, self._catalogue) for call in said.tool_calls]
                calls = [one for one in planned if one is not None and one.call_id not in refused]
                results = [one for one in messages if isinstance(one, ToolMessage)]
                await watcher.consent.consider(said, results, calls)
        return response


class Permission(AgentMiddleware[Any, Any]):
    """Outermost around tools, and the only door to them: whatever wants a call made, it is permitted here, or not.

    Tools that other middleware brings are not looked at: they are its own code.
    """

    def __init__(self, catalogue: Mapping[str, RemoteTool]) -> None:
        super().__init__()
        self._catalogue = catalogue

    async def awrap_tool_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:
        call, watcher = request.tool_call, request.runtime.context
        said = next((one for one in reversed(request.state["messages"]) if isinstance(one, AIMessage)), None)
        planned = planned_call(said, call, self._catalogue) if said is not None else None
        if planned is None:
            return await handler(request)
        permit = await watcher.consent.permit(planned)
        if permit.refusal or permit.answer is not None:
            text = await watcher.tool_refused(planned, permit)
            status: Any = "error" if permit.refusal else "success"
            return ToolMessage(text, tool_call_id=call["id"], name=call["name"], status=status)
        result = await handler(request.override(tool_call={**call, "args": permit.arguments}))
        if permit.note and isinstance(result, ToolMessage):
            return result.model_copy(update={"content": permit.note + result.text})
        return result


def planned_call(said: AIMessage, call: Any, catalogue: Mapping[str, RemoteTool]) -> PlannedCall | None:
    """Return a call of a message as it is decided about; None when it is no call of a tool server's tool.

    A call that the message does not have gets the number -1, which nobody has decided about.
    """
    tool = catalogue.get(call["name"])
    if tool is None:
        return None
    numbers = {one["id"]: number for number, one in enumerate(said.tool_calls)}
    return PlannedCall(numbers.get(call["id"], -1), str(call["id"]), call["name"], tool, call["args"])
