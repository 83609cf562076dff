"""Each middleware does its one thing."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import httpx
import pytest
from langchain_core.exceptions import ModelConnectionError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately

from aiops.agent.llm import failures
from aiops.agent.middleware.repair import LOST, repaired
from aiops.agent.middleware.truncation import Truncation
from aiops.agent.middleware.window import CUT, trim
from aiops.agent.values import ModelSpec

CALL = {"name": "t", "args": {}, "id": "c1"}


def test_a_dangling_call_gets_a_result_right_after_it() -> None:
    fixed = repaired([HumanMessage("a"), AIMessage("", tool_calls=[CALL]), HumanMessage("b")])
    assert fixed is not None
    assert [m.type for m in fixed] == ["human", "ai", "tool", "human"]
    assert fixed[2].text == LOST


def test_a_result_without_a_call_is_dropped() -> None:
    assert repaired([HumanMessage("a"), ToolMessage("x", tool_call_id="nobody")]) == [HumanMessage("a")]


def test_a_whole_conversation_is_left_alone() -> None:
    whole = [HumanMessage("a"), AIMessage("", tool_calls=[CALL]), ToolMessage("x", tool_call_id="c1"), AIMessage("b")]
    assert repaired(whole) is None


def turns(count: int) -> list:
    made = []
    for n in range(count):
        made += [HumanMessage("question " * 50, id=f"h{n}"), AIMessage("answer " * 50, id=f"a{n}")]
    return made


def test_old_turns_go_first_and_whole() -> None:
    messages = turns(20)
    removed = {change.id for change in trim(messages, budget_tokens=1_000)}
    kept = [m for m in messages if m.id not in removed]
    assert kept[0].type == "human"
    assert kept[-1].id == "a19"
    assert count_tokens_approximately(kept) <= 500


def test_nothing_is_cut_within_the_budget() -> None:
    assert trim(turns(2), budget_tokens=10_000) == []


def test_a_huge_turn_loses_its_older_tool_results() -> None:
    results = [ToolMessage("x" * 8_000, tool_call_id=f"c{n}", id=f"t{n}") for n in range(5)]
    changes = trim([HumanMessage("q", id="h"), *results], budget_tokens=1_000)
    assert [c.content for c in changes] == [CUT] * 3
    assert [c.id for c in changes] == ["t0", "t1", "t2"]


async def test_a_long_result_is_cut_and_says_so() -> None:
    async def handler(_: object) -> ToolMessage:
        return ToolMessage("é" * 1_000, tool_call_id="c1")

    result = await Truncation(max_bytes=101).awrap_tool_call(SimpleNamespace(), handler)
    assert result.text.startswith("é" * 50 + "\n[cut: the first 101 of 2000 bytes")


def error(status: int, **headers: str) -> Exception:
    made = Exception("x")
    made.status_code = status  # type: ignore[attr-defined]
    made.response = httpx.Response(status, headers=headers)  # type: ignore[attr-defined]
    return made


def interrupted() -> BaseException:
    """Return a cancellation that came while a broken connection was handled."""
    cancelled = asyncio.CancelledError()
    cancelled.__context__ = httpx.ConnectError("no")
    return cancelled


SPEC = ModelSpec("openai", "m", base_url="http://m")


@pytest.mark.parametrize(
    ("failure", "code", "transient"),
    [
        (error(429), "model_rate_limited", False),
        (error(500), "model_error", True),
        (error(503), "model_error", True),
        (error(401), "model_key_refused", False),
        (error(404), "model_not_found", False),
        (error(400), "model_refused", False),
        (httpx.ConnectError("no"), "model_unreachable", True),
        (failures.StreamCut("cut"), "model_unreachable", True),
        (TimeoutError(), "model_timeout", False),
        (httpx.ReadTimeout("late"), "model_timeout", False),
        (KeyError("choices"), "model_nonsense", False),
        (interrupted(), "model_nonsense", False),
    ],
)
def test_each_failure_has_its_code_and_only_passing_ones_are_tried_again(
    failure: BaseException, code: str, transient: bool
) -> None:
    assert failures.explain(failure, SPEC).code == code
    assert failures.is_transient(failure) is transient


def test_a_quota_that_is_used_up_is_not_waited_for() -> None:
    spent = error(429)
    spent.code = "insufficient_quota"  # type: ignore[attr-defined]
    assert failures.is_out_of_quota(spent)
    assert failures.explain(spent, SPEC).code == "model_quota_exceeded"
    assert not failures.explain(spent, SPEC).retry


def test_a_provider_may_ask_for_at_most_five_minutes() -> None:
    assert failures.retry_after_s(error(429, **{"retry-after": "3"})) == 3
    assert failures.retry_after_s(error(429, **{"retry-after": "3600"})) == 300
    assert failures.retry_after_s(error(429, **{"retry-after": "tomorrow"})) == 0


def test_what_langchain_takes_for_a_broken_connection_is_tried_again() -> None:
    error = ModelConnectionError("Connection error.")
    assert failures.is_transient(error)
    assert failures.explain(error, ModelSpec("openai", "m")).code == "model_unreachable"
