"""Many rows of the administration at once: changed, emptied, deleted; all or none."""

from __future__ import annotations

import pytest
from django.test import Client

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.changes import recording
from aiops.llm.models import LLMModel
from tests.integration.administering import MODELS, PAGES, administrator, form_of, problems
from tests.integration.llm.rows import model, provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser() -> Client:
    return administrator()


def test_many_are_changed_and_emptied_at_once(browser: Client) -> None:
    rows = [model(f"m{n}", temperature=0.5, description="old", tags=["a"]) for n in range(3)]
    chosen = [str(row.pk) for row in rows[:2]]
    page = browser.post(MODELS, {"action": "bulk_edit", "_selected_action": chosen})
    assert page.status_code == 200
    text = page.content.decode()
    assert "2 rows are to be changed: m0, m1." in text
    assert "empty_temperature" in text
    assert 'name="name"' not in text
    apply = {"action": "bulk_edit", "apply": "1", "_selected_action": chosen, "is_enabled": "no", "reason": "Off"}
    done = browser.post(MODELS, {**apply, "empty_temperature": "on", "empty_tags": "on", "description": "new"})
    assert done.status_code == 302
    for row in rows:
        row.refresh_from_db()
    assert [(row.temperature, row.tags, row.description, row.is_enabled) for row in rows] == [
        (None, [], "new", False),
        (None, [], "new", False),
        (0.5, ["a"], "old", True),
    ]
    entry = recording.of(rows[0]).first()
    assert (entry.actor.username, entry.additional_data) == ("root", {"reason": "Off"})


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({}, "Nothing is to be changed"),
        ({"description": "x", "empty_description": "on"}, "not both"),
        ({"model_config": '{"top_p": 7}'}, "m0: model_config: top_p"),
        ({"cache_ttl": "1"}, "60"),
    ],
)
def test_a_bulk_edit_that_one_row_refuses_changes_none(browser: Client, sent: dict[str, str], why: str) -> None:
    cloud = provider("cloud", "openai")
    rows = [model(f"m{n}", cloud) for n in range(2)]
    chosen = [str(row.pk) for row in rows]
    apply = {"action": "bulk_edit", "apply": "1", "is_enabled": "keep", "_selected_action": chosen, **sent}
    page = browser.post(MODELS, apply)
    assert page.status_code == 200
    assert why in page.content.decode()
    assert not LLMModel.objects.exclude(model_config={}, description="").exists()


def test_what_is_used_is_not_deleted_here_either(browser: Client) -> None:
    made, free = model("m", is_default=True), model("free")
    for path, sent in (
        (MODELS, {"action": "delete_rows", "_selected_action": [str(made.pk), str(free.pk)]}),
        (f"{MODELS}{made.pk}/delete/", {}),
    ):
        asked = browser.post(path, sent) if sent else browser.get(path)
        assert asked.status_code == 200
        page = browser.post(path, {**sent, "apply": "1", "reason": "Old"})
        assert (page.status_code, "it is the default" in page.content.decode()) == (200, True)
    assert LLMModel.objects.count() == 2
    assert browser.post(f"{MODELS}{free.pk}/delete/", {"apply": "1", "reason": "Old"}).status_code == 302
    assert [row.name for row in LLMModel.objects.all()] == ["m"]


def test_as_many_as_are_allowed_can_be_changed_at_once(browser: Client) -> None:
    cloud = provider("cloud", "openai")
    LLMModel.objects.bulk_create(LLMModel(name=f"m{n:04}", provider=cloud) for n in range(1_001))
    ids = [str(pk) for pk in LLMModel.objects.values_list("pk", flat=True)]
    chosen = {"action": "bulk_edit", "_selected_action": ids[:1], "select_across": "1"}
    assert "At most 1000 rows" in browser.post(MODELS, chosen, follow=True).content.decode()
    LLMModel.objects.filter(pk=ids[0]).delete()
    page = browser.post(MODELS, {**chosen, "_selected_action": ids[1:2]})
    sent = {name: page.context[name] for name in ("action", "ids")}
    assert len(sent["ids"]) == 1_000
    apply = {"action": "bulk_edit", "apply": "1", "_selected_action": ids[1], "ids": ",".join(map(str, sent["ids"]))}
    done = browser.post(MODELS, {**apply, "is_enabled": "keep", "description": "new"})
    assert done.status_code == 302, done.context["form"].errors
    assert LLMModel.objects.filter(description="new").count() == 1_000


def test_a_middleware_that_a_model_has_is_not_given_it_again(browser: Client) -> None:
    kind, made = MiddlewareType.objects.get(name="LoggingMiddleware"), model("m")
    LLMMiddleware.objects.create(llm_model=made, middleware=kind)
    path = f"{PAGES[LLMMiddleware]}add/"
    sent = {**form_of(browser, path), "llm_model": str(made.pk), "middleware": str(kind.pk)}
    assert problems(browser.post(path, sent)) == {"middleware": ["m already has LoggingMiddleware: change that one."]}
