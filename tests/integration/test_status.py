"""``GET /api/status/`` says how the running system is; each part fails on its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client

from aiops import dispatch, keyspace, settings
from aiops.errors import Unavailable
from aiops.llm.models import ProviderHealth
from aiops.maintenance.models import JobRun
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.status import examination as status
from aiops.tool_servers.models import MCPServer

pytestmark = pytest.mark.django_db
NOW = datetime(2027, 1, 31, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    status._latest = (float("-inf"), {})


@pytest.fixture
def use() -> Iterator[Any]:
    """Let this process have other settings."""

    def change(**values: Any) -> None:
        settings.install(django_settings.SETTINGS.model_copy(update=values))

    yield change
    settings.install(django_settings.SETTINGS)


@pytest.fixture
def staff(user: User) -> User:
    user.is_staff = True
    user.save()
    return user


def ask(user: User) -> dict[str, Any]:
    answer = Client().get("/api/status/", headers={"Authorization": f"Bearer {tokens.issue(user, name='x')[1]}"})
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def test_staff_see_the_status_of_every_part(staff: User, use: Any) -> None:
    use(llm_type="ollama", llm_model="qwen3")
    ProviderHealth.objects.create(provider="ollama", reachable=False, detail="refused", checked_at=NOW, since=NOW)
    JobRun.objects.create(job="reaper", slot="1", outcome="done")
    JobRun.objects.create(job="reaper", slot="2", outcome="running")
    JobRun.objects.create(job="retention", slot="1", outcome="failed")
    MCPServer.objects.create(name="netbox", url="http://x", status="failed", problem="It is away.")
    keyspace.show_worker("w", queue="runs", in_hand=0)
    found = ask(staff)
    details = found["details"]
    assert (found["state"], found["environment"]) == ("degraded", "LAB")
    assert found["uptime_s"] > 0
    assert found["model"] == {"provider": "ollama", "name": "qwen3", "reason": "default", "problem": ""}
    assert (details["provider"]["reachable"], details["provider"]["detail"]) == (False, "refused")
    assert [details[part]["ok"] for part in ("database", "redis", "broker")] == [True, True, True]
    assert {one["queue"]: one["workers"] for one in details["queues"]} == {"runs": 1, "batch": 0, "upkeep": None}
    jobs = {job["job"]: job["outcome"] for job in details["jobs"]}
    assert (jobs["reaper"], jobs["retention"], jobs["webhooks"]) == ("done", "failed", None)
    assert {one["name"]: one["problem"] for one in details["tool_servers"]}["netbox"] == "It is away."
    assert set(found["missing"]) >= {"model", "workers of batch", "job retention", "tool server netbox"}


def test_users_who_are_not_staff_see_a_summary_of_the_status(user: User) -> None:
    found = ask(user)
    assert found["details"] is None
    assert found["model"]["name"] == "offline"


def test_a_model_that_cannot_be_chosen_is_named_with_its_cure(user: User, use: Any) -> None:
    use(llm_type="foo")
    found = ask(user)
    assert "LLM_TYPE=foo is not one of" in found["model"]["problem"]
    assert "model" in found["missing"]


@pytest.mark.parametrize("part", ["redis", "broker"])
def test_a_part_that_is_down_leaves_the_others(staff: User, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def down(*_: object, **__: object) -> None:
        raise {"redis": redis.ConnectionError("refused"), "broker": Unavailable("refused")}[part]

    if part == "redis":
        monkeypatch.setattr(keyspace, "sync", down)
    else:
        monkeypatch.setattr(dispatch, "depth", down)
    found = ask(staff)
    assert part in found["missing"]
    assert (found["details"][part]["ok"], found["details"][part]["problem"]) == (False, "refused")
    assert found["details"]["database"]["ok"]


def test_a_part_is_down_only_once_when_it_costs_time(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def down(queue: str) -> int:
        asked.append(queue)
        raise Unavailable("refused")

    monkeypatch.setattr(dispatch, "depth", down)
    ask(staff)
    ask(staff)
    assert asked == ["runs"]


def test_no_password_is_shown(staff: User) -> None:
    password = django_settings.SETTINGS.redis_url.get_secret_value().split("@")[0].rpartition(":")[2]
    assert len(password) > 10
    assert password not in str(ask(staff))
    assert status.address("amqp://me:p%40ss@host:5672/x?ssl=1") == "amqp://host:5672/x"


def test_the_schema_describes_the_status(staff: User) -> None:
    client = Client()
    client.force_login(staff)
    schema = client.get("/api/schema/").json()
    shape = schema["paths"]["/api/status/"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert shape == {"$ref": "#/components/schemas/StatusOut"}


def test_staff_read_what_others_asked_only_with_the_permission_to(staff: User, ask: Any) -> None:
    other = User.objects.create_user("bob")
    for text, who in (("mine", staff), ("a secret", other)):
        run = ask(text, user=who)
        Run.objects.filter(pk=run.pk).update(state="failed", error={"detail": f"why {text}"}, finished_at=Now())
    shown = ask_failures(staff)
    assert sorted(one["name"] for one in shown) == ["mine", "of somebody else"]
    assert "secret" not in str(shown)
    staff.user_permissions.add(Permission.objects.get(codename="view_all"))
    assert {one["detail"] for one in ask_failures(User.objects.get(pk=staff.pk))} == {"why mine", "why a secret"}


def ask_failures(user: User) -> list[dict[str, Any]]:
    token = tokens.issue(user, name="x")[1]
    answer = Client().get("/api/status/", headers={"Authorization": f"Bearer {token}"})
    found: list[dict[str, Any]] = answer.json()["details"]["failures"]
    return found
