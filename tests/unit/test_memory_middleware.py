"""The middleware around what an agent remembers: repair of dangling calls, and the window of tokens."""

from __future__ import annotations

from types import SimpleNamespace

from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from aiops.agent.middleware.repair import LOST, Repair, repaired
from aiops.agent.middleware.window import CUT, Window, trim
from tests.consent import NobodyAsked

CALL = {"name": "t", "args": {}, "id": "c1"}


def test_a_dangling_tool_call_gets_a_result_right_after_it() -> None:
    fixed = repaired([HumanMessage("a"), AIMessage("", tool_calls=[CALL]), HumanMessage("b")])
    assert fixed is not None
    assert [m.type for m in fixed] == ["human", "ai", "tool", "human"]
    assert fixed[2].text == LOST


def test_a_tool_result_without_its_call_is_dropped() -> None:
    assert repaired([HumanMessage("a"), ToolMessage("x", tool_call_id="nobody")]) == [HumanMessage("a")]


def test_a_conversation_without_dangling_calls_is_left_alone() -> None:
    whole = [HumanMessage("a"), AIMessage("", tool_calls=[CALL]), ToolMessage("x", tool_call_id="c1"), AIMessage("b")]
    assert repaired(whole) is None


def turns(count: int) -> list:
    made = []
    for n in range(count):
        made += [HumanMessage("question " * 50, id=f"h{n}"), AIMessage("answer " * 50, id=f"a{n}")]
    return made


def test_a_window_drops_whole_old_turns_first() -> None:
    messages = turns(20)
    removed = {change.id for change in trim(messages, budget_tokens=1_000)}
    kept = [m for m in messages if m.id not in removed]
    assert kept[0].type == "human"
    assert kept[-1].id == "a19"
    assert count_tokens_approximately(kept) <= 500


def test_messages_within_the_budget_are_kept_whole() -> None:
    assert trim(turns(2), budget_tokens=10_000) == []


def test_a_turn_larger_than_the_window_loses_its_older_tool_results() -> None:
    results = [ToolMessage("x" * 8_000, tool_call_id=f"c{n}", id=f"t{n}") for n in range(5)]
    changes = trim([HumanMessage("q", id="h"), *results], budget_tokens=1_000)
    assert [c.content for c in changes] == [CUT] * 3
    assert [c.id for c in changes] == ["t0", "t1", "t2"]


async def test_repair_replaces_the_whole_memory_only_when_a_call_dangles() -> None:
    asked = [HumanMessage("a"), AIMessage("", tool_calls=[CALL])]
    runtime = SimpleNamespace(context=SimpleNamespace(consent=NobodyAsked()))
    changes = await Repair().abefore_agent({"messages": asked}, runtime)
    assert changes is not None
    assert changes["messages"][0] == RemoveMessage(id=REMOVE_ALL_MESSAGES)
    assert [m.type for m in changes["messages"][1:]] == ["human", "ai", "tool"]
    assert await Repair().abefore_agent({"messages": [HumanMessage("a")]}, runtime) is None


async def test_the_window_removes_what_does_not_fit_before_a_model_call() -> None:
    changes = await Window(budget_tokens=1_000).abefore_model({"messages": turns(20)}, None)
    assert changes is not None
    assert {type(change) for change in changes["messages"]} == {RemoveMessage}
    assert await Window(budget_tokens=100_000).abefore_model({"messages": turns(20)}, None) is None
