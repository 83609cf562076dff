"""Which middleware a model's rows become, in which order, and what happens when one cannot start."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from langchain.agents.middleware import AgentMiddleware

from aiops.agent import chain_rows
from aiops.agent.chain import chain
from aiops.agent.middleware.model_retry import ModelRetry
from aiops.agent.surroundings import Surroundings
from aiops.agent.values import Limits
from aiops.chains import types
from aiops.errors import RunFailed
from aiops.events.redaction import Redactor
from aiops.llm.values import MiddlewareSpec, PromptSpec
from aiops.tool_servers.client.values import RemoteTool, ToolClass
from tests.unit.test_chain_rows_middleware import Store, no_helper, one, spec

TOOL = RemoteTool("t_look", "t", "look", "Look.", {"type": "object"}, tool_class=ToolClass.READ)
LIMITS = Limits(5, 5, 10, 3, 10, 1_000, 1_000)


async def test_retry_rows_configure_the_built_in_retry_and_add_none() -> None:
    made = spec(one("RetryMiddleware", tries=7))
    assert await chain_rows.build(Surroundings(made, None, no_helper)) == chain_rows.Chain(names=("RetryMiddleware",))
    whole = chain(
        made,
        (),
        [],
        (),
        None,
        LIMITS,
        Redactor(),
        pacer=None,
        answer_schema="",
        instructed=False,  # type: ignore[arg-type]
    )
    assert [one._tries for one in whole if isinstance(one, ModelRetry)] == [7]
    assert chain_rows.tries(spec(), 3) == 3


async def test_rows_go_in_at_one_place_in_the_order_of_the_drawing() -> None:
    """Logging 10, cache 20, validation 40 around the built-in retry and the call, as the seed's drawing nests them."""
    rows = (one("LoggingMiddleware"), one("CacheMiddleware"), one("RetryMiddleware"), one("ValidationMiddleware"))
    made = spec(*rows)
    built = (await chain_rows.build(Surroundings(made, Store(), no_helper))).rows
    tools: Any = None
    whole = chain(made, built, [], (), tools, LIMITS, Redactor(), pacer=None, answer_schema="", instructed=False)
    names = [type(one).__name__ for one in whole]
    at = names.index("LoggingMiddleware")
    assert names[at - 1 : at + 4] == [
        "Redaction",
        "LoggingMiddleware",
        "CacheMiddleware",
        "ValidationMiddleware",
        "ModelRetry",
    ]
    assert names[-1] == "ModelCall"


class Mine(AgentMiddleware[Any, Any]):
    """As a package would write it."""

    def __init__(self, *, word: str = "x") -> None:
        super().__init__()
        self.word = word


class NoMiddleware:
    """A class of something else."""


async def test_a_packages_class_is_built_with_its_config(monkeypatch: pytest.MonkeyPatch) -> None:
    path = f"{__name__}:Mine"
    monkeypatch.setattr(chain_rows, "of_packages", lambda: {path: "mine"})
    built = await chain_rows.build(
        Surroundings(spec(MiddlewareSpec("MineMiddleware", path, '{"word": "y"}')), None, no_helper)
    )
    assert ([one.word for one in built.rows], built.left_out) == (["y"], ())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "config", "why"),
    [
        (f"{__name__}:Mine", '{"colour": "red"}', "TypeError"),
        (f"{__name__}:Gone", "{}", "AttributeError"),
        ("no_such_package:Mine", "{}", "ModuleNotFoundError"),
        (f"{__name__}:NoMiddleware", "{}", "TypeError"),
        ("os:system", "{}", "LookupError"),
    ],
)
async def test_one_that_cannot_start_is_left_out_or_fails_the_run_by_name(
    path: str, config: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if path != "os:system":
        monkeypatch.setattr(chain_rows, "of_packages", lambda: {path: "mine"})
    broken = MiddlewareSpec("MineMiddleware", path, config)
    built = await chain_rows.build(Surroundings(spec(broken, one("LoggingMiddleware")), None, no_helper))
    (problem,) = built.left_out
    assert ([type(one).__name__ for one in built.rows], built.names) == (["LoggingMiddleware"], ("LoggingMiddleware",))
    assert "MineMiddleware cannot start" in problem
    assert why in problem
    critical = MiddlewareSpec("MineMiddleware", path, config, is_critical=True)
    with pytest.raises(RunFailed, match="MineMiddleware") as failed:
        await chain_rows.build(Surroundings(spec(critical), None, no_helper))
    assert failed.value.code == "middleware_failed"


@pytest.mark.parametrize("name", types.BUILT_IN)
async def test_every_built_in_type_is_there_and_takes_its_default_config(name: str) -> None:
    kind = types.BUILT_IN[name]
    row = one(name, **kind.default)
    made = await chain_rows.build(Surroundings(spec(row), Store(), no_helper))
    assert made.left_out == ()
    assert len(made.rows) == (not chain_rows.configures_built_in(row))


class Repair(Mine):
    """A package's class that is named like one of ours."""


async def test_two_of_one_name_are_not_both_started(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {f"{__name__}:{name}": "mine" for name in ("Mine", "Repair")}
    monkeypatch.setattr(chain_rows, "of_packages", lambda: paths)
    rows = [MiddlewareSpec(f"{n}Middleware", f"{__name__}:{name}") for n, name in enumerate(("Mine", "Mine", "Repair"))]
    built = await chain_rows.build(Surroundings(spec(*rows), None, no_helper))
    assert [type(one).__name__ for one in built.rows] == ["Mine"]
    assert ["already" in problem for problem in built.left_out] == [True, True]


def test_our_names_are_those_of_the_chain() -> None:
    tools: Any = None
    pacer: Any = object()
    full = replace(spec(), prompt=PromptSpec("p", 1, "{user}"))
    whole = chain(full, (), [TOOL], (), tools, LIMITS, Redactor(), pacer=pacer, answer_schema="{}", instructed=True)
    assert {one.name for one in whole} == chain_rows.OWN_NAMES


@pytest.mark.parametrize("name", ["ModelCallLimitMiddleware", "ToolCallLimitMiddleware"])
def test_a_limit_of_a_conversation_bounds_that_of_a_run(name: str) -> None:
    found = chain_rows.limit(spec(one(name, run_limit=20, thread_limit=5)), name, 10)
    assert (found["run_limit"], found["thread_limit"]) == (5, 5)
