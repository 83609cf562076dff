"""Models that only members of a group may choose: hidden from others at every door, and still answering them."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.test import Client

from aiops.batches import validation
from aiops.batches.models import Item
from aiops.llm import snapshot
from aiops.llm.models import LLMModel
from aiops.people.models import User
from aiops.schedules import firing
from aiops.schedules.models import Firing, Schedule
from tests.integration.llm.rows import editor, model, provider
from tests.integration.secrets.calls import Call, calls, grown

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
MODELS = "/api/llm-models/"


@pytest.fixture
def models() -> dict[str, LLMModel]:
    """The default, and its advanced model, which is for the group."""
    Group.objects.create(name="deep thinkers")
    dear = model("dear", provider("cloud", "openai"), groups=["deep thinkers"])
    return {"usual": model("usual", is_default=True, advanced_model=dear), "dear": dear}


def member(name: str) -> Call:
    user = grown(name)
    user.groups.add(Group.objects.exclude(name="approvers").get())
    return calls(user)


def asked(call: Call, **options: Any) -> Any:
    return call("POST", "/api/chat/", {"message": "hello", **options})


@pytest.mark.parametrize("options", [{"model": "dear"}, {"force_advanced": True}])
def test_only_members_may_choose_it(models: dict[str, LLMModel], options: dict[str, Any]) -> None:
    refused = asked(calls(grown("eve")), **options)
    (field,) = options
    assert (refused.status_code, list(refused.json()["errors"])) == (400, [field])
    assert "dear" not in refused.content.decode()
    assert asked(member("ann"), **options).status_code == 202
    assert asked(editor("ed"), **options).status_code == 202, "who may change it may choose it"


def test_it_still_answers_all_who_choose_nothing(models: dict[str, LLMModel]) -> None:
    LLMModel.objects.filter(pk=models["usual"].pk).update(groups=["deep thinkers"])
    snapshot.forget()
    assert asked(calls(grown("eve"))).status_code == 202


def test_a_group_that_is_deleted_opens_nothing(models: dict[str, LLMModel]) -> None:
    Group.objects.all().delete()
    assert asked(calls(grown("eve")), model="dear").status_code == 400


def test_lines_of_a_batch_and_schedules_are_refused_too(models: dict[str, LLMModel]) -> None:
    call = calls(grown("eve"))
    assert call("POST", "/api/batches/", {"items": [{"prompt": "a"}], "model": "dear"}).status_code == 400
    lines = {"items": [{"prompt": "a"}, {"prompt": "b", "model": "dear"}], "policy": "skip_invalid"}
    made = call("POST", "/api/batches/", lines)
    assert made.status_code == 202, made.content
    check = partial(snapshot.problem_with, settings=django_settings.SETTINGS)
    validation.validate(made.json()["id"], django_settings.SETTINGS, check_options=check)
    assert [item.state for item in Item.objects.order_by("number")] == ["pending", "invalid"]
    schedule = {"name": "s", "message": "hi", "every_s": 3_600, "model": "dear"}
    assert call("POST", "/api/schedules/", schedule).status_code == 400
    assert member("ann")("POST", "/api/schedules/", schedule).status_code == 201


def test_the_chat_offers_what_one_may_choose(models: dict[str, LLMModel]) -> None:
    for user, offered in ((grown("eve"), False), (editor_user(), True)):
        browser = Client()
        browser.force_login(user)
        assert ('value="dear"' in browser.get("/").content.decode()) is offered


def editor_user() -> Any:
    user = grown("ann")
    user.groups.add(Group.objects.exclude(name="approvers").get())
    return user


def test_a_group_that_is_not_there_is_refused(models: dict[str, LLMModel]) -> None:
    answer = editor()("PATCH", f"{MODELS}{models['usual'].pk}/", {"groups": ["nobody"]})
    assert (answer.status_code, json.loads(answer.content)["errors"]) == (
        400,
        {"groups": ["There is no group 'nobody'."]},
    )


def test_a_schedule_of_somebody_who_left_the_group_is_refused_with_its_reason(models: dict[str, LLMModel]) -> None:
    call = member("ann")
    made = call("POST", "/api/schedules/", {"name": "s", "message": "hi", "every_s": 3_600, "model": "dear"})
    User.objects.get(username="ann").groups.clear()
    refused = call("POST", f"/api/schedules/{made.json()['id']}/run/")
    assert (refused.status_code, "Not configured" in refused.json()["detail"]) == (400, True)
    schedule = Schedule.objects.get()
    firing._start_or_refuse(schedule, (made := Firing(schedule=schedule)), django_settings.SETTINGS)
    assert (made.outcome, "Not configured" in made.reason) == ("refused", True)
