"""The middleware of models through its API: validated, ordered, and part of what a run gets."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.chains.types import BUILT_IN
from aiops.llm import snapshot, version
from tests.integration.llm.rows import CHAINS, TYPES, USES, editor, model
from tests.integration.secrets.calls import Call, calls, grown
from tests.integration.tool_servers.rows import lab

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call() -> Call:
    return editor("eve", *CHAINS)


def test_the_built_in_types_are_there_and_stay_as_they_are(call: Call) -> None:
    rows = {row["name"]: row for row in call("GET", TYPES).json()["results"]}
    assert rows.keys() == BUILT_IN.keys()
    cache = rows["CacheMiddleware"]
    assert (cache["is_custom"], "ttl_s" in cache["config_schema"]["properties"]) == (False, True)
    for method, body in (("PATCH", {"description": "x"}), ("DELETE", None)):
        answer = call(method, f"{TYPES}{cache['id']}/", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "built_in")


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({"path": "os:system"}, "path", "No installed package has one"),
        ({"name": "mine"}, "name", "PascalCase"),
        ({"name": "CacheMiddleware"}, "name", "built-in type of this name"),
        ({"config_schema": {"type": 1}}, "config_schema", "Not a JSON Schema"),
        ({"config_schema": {"required": ["a"]}}, "default_config", "a"),
        ({"is_custom": False}, "is_custom", "no such field"),
    ],
)
def test_a_type_that_could_not_be_used_is_refused_by_field(
    call: Call, body: dict[str, Any], field: str, why: str
) -> None:
    answer = call("POST", TYPES, {"name": "MineMiddleware", "path": "mine:Mine", **body})
    assert answer.status_code == 400
    assert why in str(answer.json()["errors"][field])


@pytest.mark.parametrize(
    ("body", "field", "why"),
    [
        ({"llm_model": "none"}, "llm_model", "There is no 'none'"),
        ({"middleware": "NoneMiddleware"}, "middleware", "There is no"),
        ({"priority": 0}, "priority", "1"),
        ({"priority": 101}, "priority", "100"),
        ({"config": {"ttl_s": "long"}}, "config", "ttl_s"),
        ({"config": {"colour": "red"}}, "config", "colour"),
        ({"middleware": "ValidationMiddleware", "config": {"remove": ["("]}}, "config", "("),
        ({"config": []}, "config", "Not an object"),
    ],
)
def test_a_middleware_that_could_not_be_used_is_refused_by_field(
    call: Call, body: dict[str, Any], field: str, why: str
) -> None:
    model("m")
    answer = call("POST", USES, {"llm_model": "m", "middleware": "CacheMiddleware", **body})
    assert answer.status_code == 400
    assert why in str(answer.json()["errors"][field])


def test_a_models_chain_is_ordered_by_priority_then_name(call: Call) -> None:
    made = model("m", is_default=True)
    before = version.number()
    for name, priority in (("ValidationMiddleware", 40), ("LoggingMiddleware", 10), ("CacheMiddleware", 40)):
        answer = call("POST", USES, {"llm_model": "m", "middleware": name, "priority": priority})
        assert answer.status_code == 201, answer.content
    assert version.number() == before + 3
    names = ["LoggingMiddleware", "CacheMiddleware", "ValidationMiddleware"]
    assert [one.name for one in snapshot.read(lab()).default.chain] == names
    rows = call("GET", f"{USES}?llm_model=m").json()["results"]
    assert [row["priority"] for row in rows] == [10, 40, 40]
    twice = call("POST", USES, {"llm_model": "m", "middleware": "CacheMiddleware"})
    assert twice.status_code == 400
    call("PATCH", f"{USES}{rows[0]['id']}/", {"is_active": False})
    assert [one.name for one in snapshot.read(lab()).default.chain] == names[1:]
    kind = MiddlewareType.objects.get(name="CacheMiddleware")
    with pytest.raises(IntegrityError), transaction.atomic():
        LLMMiddleware.objects.create(llm_model=made, middleware=kind)
    with pytest.raises(IntegrityError), transaction.atomic():
        LLMMiddleware.objects.update(priority=0)


def test_a_config_is_laid_over_the_types_default(call: Call) -> None:
    model("m", is_default=True)
    call("POST", USES, {"llm_model": "m", "middleware": "RetryMiddleware"})
    (chain,) = snapshot.read(lab()).default.chain
    assert chain.options == {"tries": 3}


def test_who_may_not_changes_no_chain() -> None:
    model("m")
    nobody, reader = calls(grown("nob")), calls(grown("rea", "view_llmmiddleware", "view_middlewaretype"))
    assert nobody("GET", USES).status_code == nobody("GET", TYPES).status_code == 403
    assert reader("GET", USES).status_code == reader("GET", TYPES).status_code == 200
    assert reader("POST", USES, {"llm_model": "m", "middleware": "CacheMiddleware"}).status_code == 403
