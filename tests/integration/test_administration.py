"""The administration of rows: the same refusals as from the API, bulk edits, changes with their reasons, deletion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.changes import recording
from aiops.llm.models import LLMModel, LLMProvider
from aiops.people.models import User
from aiops.secrets.models import Secret
from aiops.system_prompts.models import SystemPrompt
from tests.integration.llm.rows import model, provider

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = {
    LLMProvider: "/admin/llm/llmprovider/",
    LLMModel: "/admin/llm/llmmodel/",
    MiddlewareType: "/admin/chains/middlewaretype/",
    LLMMiddleware: "/admin/chains/llmmiddleware/",
    SystemPrompt: "/admin/system_prompts/systemprompt/",
    Secret: "/admin/secrets/secret/",
}
MODELS = PAGES[LLMModel]


@pytest.fixture
def browser() -> Client:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root", password="x"))
    return browser


def form_of(browser: Client, path: str) -> dict[str, Any]:
    """Return what a browser would send back from a form."""
    page = browser.get(path)
    assert page.status_code == 200
    form = page.context["adminform"].form
    sent: dict[str, Any] = {}
    for bound in form:
        value = bound.value()
        shown = bound.field.prepare_value(value) if hasattr(bound.field, "prepare_value") else value
        if shown not in (None, False):
            sent[bound.html_name] = shown
    return sent


def problems(page: Any) -> dict[str, list[str]]:
    assert page.status_code == 200, page.headers.get("Location")
    return {name: list(errors) for name, errors in page.context["adminform"].form.errors.items()}


@pytest.mark.parametrize("path", PAGES.values())
def test_every_table_has_a_list_and_a_form(browser: Client, path: str) -> None:
    model("m", provider("cloud", "openai"))
    assert browser.get(path).status_code == 200
    assert browser.get(f"{path}?q=x").status_code == 200
    assert browser.get(f"{path}add/").status_code == 200


def test_a_model_is_added_with_all_that_the_api_takes(browser: Client) -> None:
    model("other", provider("cloud", "openai"))
    page = browser.get(f"{MODELS}add/")
    assert "top_p" in page.content.decode(), "the schema of its parameters is shown"
    sent = {
        **form_of(browser, f"{MODELS}add/"),
        "name": "new",
        "provider": str(LLMProvider.objects.get().pk),
        "model_config": '{"top_p": 0.5}',
        "tags": "night\nshift",
        "fallbacks": "other",
        "is_default": "on",
        "reason": "For the night",
    }
    answer = browser.post(f"{MODELS}add/", sent)
    assert answer.status_code == 302, problems(answer)
    made = LLMModel.objects.get(name="new")
    assert (made.model_config, made.tags, made.is_default) == ({"top_p": 0.5}, ["night", "shift"], True)
    assert [one.fallback.name for one in made.fallback_rows.all()] == ["other"]
    (entry, *_) = [one for one in recording.of(made) if one.action == one.Action.CREATE]
    assert (entry.actor.username, entry.additional_data) == ("root", {"reason": "For the night"})


@pytest.mark.parametrize(
    ("sent", "field", "why"),
    [
        ({"model_config": '{"top_p": 7}'}, "model_config", "top_p"),
        ({"model_config": "[1]"}, "model_config", "Not an object"),
        ({"model_config": "{"}, "model_config", "valid JSON"),
        ({"temperature": "9"}, "temperature", "2"),
        ({"fallbacks": "nobody"}, "fallbacks", "There is no 'nobody'"),
        ({"name": "taken"}, "name", "already exists"),
        ({"capabilities": '{"flying": true}'}, "capabilities", "flying"),
    ],
)
def test_what_the_api_refuses_is_refused_beside_its_field(
    browser: Client, sent: dict[str, str], field: str, why: str
) -> None:
    model("taken", provider("cloud", "openai"))
    made = model("m")
    path = f"{MODELS}{made.pk}/change/"
    found = problems(browser.post(path, {**form_of(browser, path), **sent}))
    assert why in str(found[field])
    made.refresh_from_db()
    assert made.name == "m"


def test_a_form_that_somebody_overtook_changes_nothing(browser: Client) -> None:
    made = model("m")
    path = f"{MODELS}{made.pk}/change/"
    sent = form_of(browser, path)
    made.description = "by another"
    made.save()
    found = problems(browser.post(path, {**sent, "description": "mine"}))
    assert "changed after you opened it" in str(found["__all__"])
    made.refresh_from_db()
    assert made.description == "by another"


def test_a_secret_needs_its_permission_also_here(browser: Client) -> None:
    secret = Secret.objects.create(name="key", kind="env", reference="AIOPS_SECRET_KEY_1")
    made = model("m", provider("cloud", "openai"))
    editor = User.objects.create_user("eve", password="x", is_staff=True)

    editor.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["llm"]))
    browser.force_login(editor)
    path = f"{MODELS}{made.pk}/change/"
    found = problems(browser.post(path, {**form_of(browser, path), "model_secret_key": str(secret.pk)}))
    assert "secrets.use_secret" in str(found)


def test_many_are_changed_and_emptied_at_once(browser: Client) -> None:
    rows = [model(f"m{n}", temperature=0.5, description="old", tags=["a"]) for n in range(3)]
    chosen = [str(row.pk) for row in rows[:2]]
    page = browser.post(MODELS, {"action": "bulk_edit", "_selected_action": chosen})
    assert page.status_code == 200
    text = page.content.decode()
    assert "2 rows are changed: m0, m1." in text
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


def test_changes_of_all_doors_are_shown(browser: Client) -> None:
    made = model("m")
    path = f"{MODELS}{made.pk}/change/"
    browser.post(path, {**form_of(browser, path), "description": "new", "reason": "Why not"})
    text = browser.get(f"{MODELS}{made.pk}/history/").content.decode()
    assert ("Why not" in text, "description: (empty) → new" in text, "root" in text) == (True, True, True)


def test_built_in_types_can_be_read_only(browser: Client) -> None:
    kind = MiddlewareType.objects.get(name="CacheMiddleware")
    page = browser.get(f"{PAGES[MiddlewareType]}{kind.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    apply = {"action": "bulk_edit", "apply": "1", "description": "x", "_selected_action": [str(kind.pk)]}
    assert "cannot be changed or deleted" in browser.post(PAGES[MiddlewareType], apply).content.decode()


def test_the_schema_of_a_config_is_shown(browser: Client) -> None:
    kind = MiddlewareType.objects.get(name="CacheMiddleware")
    use = LLMMiddleware.objects.create(llm_model=model("m"), middleware=kind)
    path = f"{PAGES[LLMMiddleware]}{use.pk}/change/"
    assert "ttl_s" in browser.get(path).content.decode()
    found = problems(browser.post(path, {**form_of(browser, path), "config": json.dumps({"ttl_s": "x"})}))
    assert "ttl_s" in str(found["config"])


def test_who_may_only_look_is_offered_no_change() -> None:

    made = model("m")
    reader = User.objects.create_user("rea", password="x", is_staff=True)
    reader.user_permissions.add(Permission.objects.get(codename="view_llmmodel"))
    browser = Client()
    browser.force_login(reader)
    text = browser.get(MODELS).content.decode()
    assert ("bulk_edit" in text, "delete_rows" in text, "Import a CSV" in text) == (False, False, True)
    for path in (f"{MODELS}{made.pk}/delete/", f"{MODELS}add/"):
        assert browser.get(path).status_code == 403
    chosen = {"action": "bulk_edit", "apply": "1", "description": "x", "_selected_action": [str(made.pk)]}
    browser.post(MODELS, chosen)
    made.refresh_from_db()
    assert made.description == ""
