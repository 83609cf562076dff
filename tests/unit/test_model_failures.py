"""What a provider's failure is called, whether trying again may help, and how long that may wait."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from langchain_core.exceptions import ModelConnectionError

from aiops.llm import failures
from aiops.llm.explanations import explain
from aiops.llm.values import ModelSpec
from tests.models import spec_at


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


SPEC = spec_at("openai", "http://m")


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
    assert explain(failure, SPEC).code == code
    assert failures.is_transient(failure) is transient


def test_a_quota_that_is_used_up_is_not_waited_for() -> None:
    spent = error(429)
    spent.code = "insufficient_quota"  # type: ignore[attr-defined]
    assert failures.is_out_of_quota(spent, SPEC)
    assert explain(spent, SPEC).code == "model_quota_exceeded"
    assert not explain(spent, SPEC).retry


def test_a_provider_may_ask_for_at_most_five_minutes() -> None:
    assert failures.retry_after_s(error(429, **{"retry-after": "3"})) == 3
    assert failures.retry_after_s(error(429, **{"retry-after": "3600"})) == 300
    assert failures.retry_after_s(error(429, **{"retry-after": "tomorrow"})) == 0


def test_what_langchain_takes_for_a_broken_connection_is_tried_again() -> None:
    error = ModelConnectionError("Connection error.")
    assert failures.is_transient(error)
    assert explain(error, ModelSpec("openai", "m")).code == "model_unreachable"
