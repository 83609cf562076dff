"""The two middleware of approvals: a step that was decided about asks no model, and no call goes past a permit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents.middleware import ModelResponse
from langchain_core.messages import AIMessage, ToolMessage

from aiops.agent import parking
from aiops.agent.middleware.approval import Approval, Permission
from aiops.approvals.values import Permit, PlannedCall
from aiops.tool_servers.client.values import RemoteTool, ToolClass

RESTART = RemoteTool("net_restart", "net", "restart", "Restart.", {"type": "object"}, tool_class=ToolClass.WRITE)
CATALOGUE = {RESTART.name: RESTART}
CALL = {"name": RESTART.name, "args": {"host": "a"}, "id": "c1", "type": "tool_call"}


class Consent:
    """Remembers what it was asked; ``permits`` by call."""

    def __init__(self, stored: list[Any] | None = None, permit: Permit | None = None) -> None:
        self.stored, self._permit = stored, permit
        self.considered: list[PlannedCall] = []

    def stored_step(self, messages: Any) -> list[Any] | None:
        return self.stored

    async def consider(self, said: AIMessage, results: Any, calls: list[PlannedCall]) -> None:
        self.considered += calls

    async def permit(self, call: PlannedCall) -> Permit:
        self.considered.append(call)
        return self._permit or Permit(call.arguments)


def request(consent: Consent, **more: Any) -> Any:
    async def refused(call: PlannedCall, permit: Permit) -> str:
        return permit.refusal or permit.answer or ""

    context = SimpleNamespace(consent=consent, tool_refused=refused)
    made = SimpleNamespace(runtime=SimpleNamespace(context=context), messages=[], **more)
    made.override = lambda **changes: SimpleNamespace(**{**vars(made), **changes})
    return made


async def test_a_stored_step_is_returned_and_the_model_is_not_asked() -> None:
    said = AIMessage("", tool_calls=[CALL])

    async def handler(_: Any) -> Any:
        raise AssertionError("the model was asked")

    response = await Approval(CATALOGUE).awrap_model_call(request(Consent([said])), handler)
    assert response.result == [said]


async def test_calls_that_were_refused_with_their_answer_are_not_asked_about() -> None:
    said = AIMessage("", tool_calls=[CALL, {**CALL, "id": "c2"}, {**CALL, "id": "c3", "name": "unknown"}])
    consent = Consent()

    async def handler(_: Any) -> Any:
        return ModelResponse(result=[said, ToolMessage("cut", tool_call_id="c2")])

    await Approval(CATALOGUE).awrap_model_call(request(consent), handler)
    assert [(one.call_id, one.number) for one in consent.considered] == [("c1", 0)]


@pytest.mark.parametrize(
    ("permit", "content", "status"),
    [
        (Permit({}, "No policy allows it."), "No policy allows it.", "error"),
        (Permit({}, answer="Done by hand."), "Done by hand.", "success"),
    ],
)
async def test_a_call_without_a_permit_is_not_made(permit: Permit, content: str, status: str) -> None:
    async def handler(_: Any) -> Any:
        raise AssertionError("the call was made")

    asked = request(Consent(permit=permit), tool_call=CALL, state={"messages": [AIMessage("", tool_calls=[CALL])]})
    result = await Permission(CATALOGUE).awrap_tool_call(asked, handler)
    assert (result.text, result.status, result.tool_call_id) == (content, status, "c1")


async def test_the_call_is_made_with_the_permitted_arguments_and_the_model_reads_the_note() -> None:
    made: list[Any] = []

    async def handler(changed: Any) -> Any:
        made.append(changed.tool_call["args"])
        return ToolMessage("restarted", tool_call_id="c1")

    consent = Consent(permit=Permit({"host": "b"}, note="[bob changed it]\n"))
    asked = request(consent, tool_call=CALL, state={"messages": [AIMessage("", tool_calls=[CALL])]})
    result = await Permission(CATALOGUE).awrap_tool_call(asked, handler)
    assert made == [{"host": "b"}]
    assert result.text == "[bob changed it]\nrestarted"


async def test_a_call_that_its_message_does_not_have_has_a_number_that_nobody_decided_about() -> None:
    async def handler(_: Any) -> Any:
        return ToolMessage("", tool_call_id="c1")

    consent = Consent()
    await Permission(CATALOGUE).awrap_tool_call(
        request(consent, tool_call=CALL, state={"messages": [AIMessage("")]}), handler
    )
    assert [one.number for one in consent.considered] == [-1]


def test_a_step_is_the_same_after_it_was_stored_but_for_its_tokens() -> None:
    said = AIMessage(
        "I restart it.",
        id="m1",
        tool_calls=[CALL],
        usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        additional_kwargs={"provider_call_ids": {"c1": "call_0"}},
    )
    result = ToolMessage("cut", tool_call_id="c2", status="error")
    again = parking.restored(parking.stored(said, [result]))
    assert again == [said.model_copy(update={"usage_metadata": None}), result]
