"""Configs of LangChain's middleware: what fits, the models that they name, and whether a worker can build them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections

from aiops.chains.langchain_types import LANGCHAIN
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.rules import misfits
from aiops.llm import snapshot
from aiops.trials import jobs
from tests.integration.llm.rows import CHAINS, MODELS, TYPES, USES, editor, model
from tests.integration.secrets.calls import Call
from tests.integration.tool_servers.rows import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call() -> Call:
    return editor("eve", *CHAINS)


@pytest.mark.parametrize(
    ("name", "config", "fits"),
    [
        ("SummarizationMiddleware", {"trigger": ["tokens", 100], "keep": ["fraction", 0.2]}, True),
        ("SummarizationMiddleware", {"trigger": [["tokens", 100], {"messages": 5, "tokens": 9}]}, True),
        ("SummarizationMiddleware", {"trigger": ["words", 100]}, False),
        ("SummarizationMiddleware", {"keep": ["tokens"]}, False),
        ("SummarizationMiddleware", {"summary_prompt": "Sum up."}, False),
        ("PIIMiddleware", {"pii_type": "badge", "detector": r"B-\d+"}, True),
        ("PIIMiddleware", {"pii_type": "badge"}, False),
        ("PIIMiddleware", {"pii_type": "badge", "detector": "("}, False),
        ("PIIMiddleware", {"pii_type": "email", "apply_to_output": True}, False),
        ("ModelFallbackMiddleware", {}, False),
        ("ModelFallbackMiddleware", {"first_model": "a", "additional_models": ["b"]}, True),
        ("LLMToolSelectorMiddleware", {"on_parsing_failure": ["net_look"]}, True),
        ("LLMToolSelectorMiddleware", {"on_parsing_failure": "guess"}, False),
        ("ContextEditingMiddleware", {"edits": [{"trigger": 10, "keep": 0}]}, True),
        ("ContextEditingMiddleware", {"edits": [{"colour": "red"}]}, False),
        ("ToolCallLimitMiddleware", {"exit_behavior": "end"}, False),
    ],
)
def test_configs_that_fit_and_that_do_not(name: str, config: dict[str, Any], fits: bool) -> None:
    kind = LANGCHAIN[name]
    assert (misfits({**kind.default, **config}, kind.schema) == []) is fits


def test_a_model_that_a_config_names_is_there_and_stays(call: Call) -> None:
    helper = model("helper")
    model("m")
    body: dict[str, Any] = {"llm_model": "m", "middleware": "SummarizationMiddleware", "config": {"model": "none"}}
    refused = call("POST", USES, body)
    assert (refused.status_code, "no model 'none'" in str(refused.json()["errors"]["config"])) == (400, True)
    assert call("POST", USES, {**body, "config": {"model": "helper"}}).status_code == 201
    for answer in (call("DELETE", f"{MODELS}{helper.pk}/"), call("PATCH", f"{MODELS}{helper.pk}/", {"name": "other"})):
        assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
        assert "the SummarizationMiddleware of m" in answer.json()["detail"]
    LLMMiddleware.objects.all().delete()
    assert call("PATCH", f"{MODELS}{helper.pk}/", {"name": "other"}).status_code == 200


def test_fallbacks_of_a_config_come_behind_those_of_the_row(call: Call) -> None:
    for name in ("m", "a", "b"):
        model(name)
    body = {"llm_model": "m", "middleware": "ModelFallbackMiddleware"}
    own = call("POST", USES, {**body, "config": {"first_model": "m"}})
    assert (own.status_code, "its own fallback" in str(own.json()["errors"])) == (400, True)
    assert call("POST", USES, {**body, "config": {"first_model": "a", "additional_models": ["b"]}}).status_code == 201
    (spec,) = [one for one in snapshot.read(lab()).specs if one.name == "m"]
    assert spec.fallbacks == ("a", "b")


@pytest.mark.parametrize(
    ("path", "builds", "problem"),
    [("", True, ""), ("gone:Middleware", False, "LookupError: no installed package offers gone:Middleware")],
)
def test_a_worker_says_whether_it_can_build_a_type(call: Call, path: str, builds: bool, problem: str) -> None:
    kind = MiddlewareType.objects.get(name="SummarizationMiddleware")
    if path:
        MiddlewareType.objects.filter(pk=kind.pk).update(path=path)
    model("m", is_default=True)
    assert answer_of(call, f"{TYPES}{kind.pk}/check/") == {"builds": builds, "problem": problem}


def test_a_worker_says_why_it_cannot_build_the_middleware_of_a_model(call: Call) -> None:
    helper, kind = model("helper"), MiddlewareType.objects.get(name="SummarizationMiddleware")
    use = LLMMiddleware.objects.create(llm_model=model("m"), middleware=kind, config={"model": "helper"})
    assert answer_of(call, f"{USES}{use.pk}/check/") == {"builds": True, "problem": ""}
    use.config = {"trigger": ["fraction", 0.5]}
    use.save()
    answer = answer_of(call, f"{USES}{use.pk}/check/")
    assert (answer["builds"], "fraction" in answer["problem"]) == (False, True), json.dumps(answer)
    use.llm_model.context_window = 8_000
    use.llm_model.save()
    assert answer_of(call, f"{USES}{use.pk}/check/")["builds"]
    use.config = {"model": "helper"}
    use.save()
    helper.is_enabled = False
    helper.save()
    assert "no model 'helper' that is enabled" in answer_of(call, f"{USES}{use.pk}/check/")["problem"]


def answer_of(call: Call, path: str) -> dict[str, Any]:
    """Return what the API answers while a worker runs the trials."""
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(_closing, lambda: call("POST", path))
        while not asked.done():
            jobs.run_trials(django_settings.SETTINGS)
        answer = asked.result()
    assert answer.status_code == 200, answer.content
    given: dict[str, Any] = answer.json()
    return given


def _closing(function: Any) -> Any:
    try:
        return function()
    finally:
        connections.close_all()
