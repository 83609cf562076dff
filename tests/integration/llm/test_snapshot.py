"""What is configured is in force within a second, in every process, from start to end of a run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from pydantic import SecretStr

from aiops.errors import Conflict
from aiops.llm import choice, snapshot, version
from aiops.secrets.models import Secret
from aiops.settings import Settings
from tests.integration.llm.rows import model, provider
from tests.integration.tool_servers.rows import lab

pytestmark = pytest.mark.django_db(transaction=True)
ENV = {"llm_type": "openai", "llm_model": "env", "providers": {"OPENAI_API_KEY": SecretStr("k" * 20)}}


@pytest.fixture(autouse=True)
def _nothing_held() -> Iterator[None]:
    snapshot._held = None
    yield
    snapshot._held = None


def of(environment: str, **more: Any) -> Settings:
    return lab(**more).model_copy(update={"environment": environment})


def names(settings: Settings) -> list[str]:
    return [one.name for one in snapshot.read(settings).specs]


def test_in_lab_rows_come_first_and_the_environment_fills_the_gaps() -> None:
    assert snapshot.read(lab()).default.name == "offline"
    assert snapshot.read(lab(**ENV)).default.name == "env"
    model("row", is_default=True)
    assert names(lab(**ENV)) == ["row", "env", "offline"]
    assert snapshot.read(lab(**ENV)).default.name == "row"
    model("env")
    assert names(lab(**ENV)) == ["env", "row", "offline"], "a row of the same name takes its place"


@pytest.mark.parametrize("environment", ["NONPROD", "PROD"])
def test_elsewhere_rows_alone_count(environment: str) -> None:
    settings = of(environment, **ENV)
    found = snapshot.read(settings)
    assert (found.specs, found.default) == ((), None)
    with pytest.raises(Conflict, match="page Models"):
        choice.choose(found, {})
    model("row", is_default=True)
    assert choice.choose(snapshot.read(settings), {}).name == "row"


def test_what_is_not_enabled_is_not_there() -> None:
    off = provider("off", is_enabled=False)
    model("a", off)
    model("b", provider("on"), is_enabled=False)
    model("c", off, is_default=True)
    found = snapshot.read(of("PROD"))
    assert found.specs == ()
    assert "'c'" not in found.problem
    assert "provider off is not enabled" in found.problem


def test_a_row_becomes_a_value() -> None:
    key = Secret.objects.create(name="k", kind="env", reference="AIOPS_SECRET_K")
    cloud = provider("cloud", "openai", config_schema={"base_url": "https://x.example"})
    big = model("o3", cloud)
    made = model(
        "base",
        cloud,
        model_secret_key=key,
        model_config={"model": "gpt-4o", "top_p": 0.5},
        temperature=0.2,
        limits={"concurrency": 3},
        capabilities={"tools": False},
        advanced_model=big,
        advanced_patterns=["x"],
    )
    spec = next(one for one in snapshot.read(lab()).specs if one.name == "base")
    assert (spec.called, spec.options, spec.temperature) == ("gpt-4o", {"top_p": 0.5}, 0.2)
    assert (spec.secret.name, spec.api_key) == ("k", "")
    assert (spec.pace.concurrency, spec.lacks, spec.advanced) == (3, {"tools"}, "o3")
    assert hash(spec) == hash(snapshot.spec(made, ()))
    reasoning = next(one for one in snapshot.read(lab()).specs if one.name == "o3")
    assert reasoning.lacks == {"temperature"}, "as the handler knows it"


def test_each_change_raises_the_version_in_its_own_transaction() -> None:
    before = version.number()
    made = model()
    Secret.objects.create(name="k", kind="env", reference="AIOPS_SECRET_K")
    assert version.number() == before + 3
    with transaction.atomic():
        made.save()
        assert version.number() == before + 4
        transaction.set_rollback(True)
    assert version.number() == before + 3
    made.delete()
    assert version.number() == before + 4


def test_the_tables_are_read_only_when_their_version_has_changed(django_assert_num_queries: Any) -> None:
    settings = lab()
    snapshot.current(settings)
    with django_assert_num_queries(0):
        snapshot.current(settings)
    snapshot.forget()
    with django_assert_num_queries(1):
        held = snapshot.current(settings)
    model()
    assert snapshot.current(settings) is held, "within half a second"
    snapshot.forget()
    assert snapshot.current(settings) is not held


def test_while_the_database_is_away_the_last_models_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = lab()
    held = snapshot.current(settings)

    def fail() -> int:
        raise DatabaseError("away")

    monkeypatch.setattr(version, "number", fail)
    snapshot.forget()
    assert snapshot.current(settings) is held
    with pytest.raises(DatabaseError):
        snapshot.current(lab())
