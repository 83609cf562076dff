"""The administration of rows: the same refusals as from the API, changes with their reasons, and who may look."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.changes import recording
from aiops.llm.models import LLMModel, LLMProvider
from aiops.people.models import User
from aiops.retention import rules
from aiops.retention.rules import Rule
from aiops.secrets.models import Secret
from aiops.system_prompts.models import SystemPrompt
from aiops.tool_servers.models import MCPServer
from aiops.transfers.models import Transfer
from tests.integration.administering import MODELS, PAGES, administrator, form_of, problems
from tests.integration.llm.rows import model, provider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser() -> Client:
    return administrator()


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
        ({"model_config": "{"}, "model_config", "Not JSON"),
        ({"temperature": "9"}, "temperature", "2"),
        ({"fallbacks": "nobody"}, "fallbacks", "There is no 'nobody'"),
        ({"name": "taken"}, "name", "already exists"),
        ({"capabilities": '{"flying": true}'}, "capabilities", "flying"),
        ({"model_config": '{"a": "\\u0000"}'}, "model_config", "NUL"),
        ({"model_config": "[" * 2_000}, "model_config", "nested deeper"),
        ({"tags": "a,b"}, "tags", "no comma"),
        ({"context_window": "999999999"}, "context_window", "100000000"),
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
    assert ("bulk_edit" in text, "delete_rows" in text, "Import a CSV" in text) == (False, False, False)
    for path in (f"{MODELS}{made.pk}/delete/", f"{MODELS}add/"):
        assert browser.get(path).status_code == 403
    chosen = {"action": "bulk_edit", "apply": "1", "description": "x", "_selected_action": [str(made.pk)]}
    browser.post(MODELS, chosen)
    made.refresh_from_db()
    assert made.description == ""


def test_the_change_log_of_all_tables_is_shown_and_old_entries_are_removed(browser: Client) -> None:
    made = model("m")
    path = f"{MODELS}{made.pk}/change/"
    browser.post(path, {**form_of(browser, path), "description": "new", "reason": "Why not"})
    listed = browser.get("/admin/auditlog/logentry/").content.decode()
    assert ("Why not" in listed, "root" in listed) == (True, True)
    entry = recording.of(made).first()
    shown = browser.get(f"/admin/auditlog/logentry/{entry.pk}/change/").content.decode()
    assert ("description:  → new" in shown, 'name="_save"' in shown) == (True, False)
    kind = rules.kinds()["changes"]
    type(entry).objects.filter(pk=entry.pk).update(timestamp=timezone.now() - timedelta(days=800))
    due = Rule(kind, "", 730).due()
    assert [one.pk for one in due] == [entry.pk]
    assert kind.remove


def test_what_a_form_only_shows_it_does_not_change(browser: Client) -> None:
    prompt = SystemPrompt.objects.create(name="p", prompt_text="You are\n{model_name}.\n", status="approved")
    lines = ["-c", "import x\nprint(1)", " "]
    server = MCPServer.objects.create(name="mine", protocol="stdio", command="/bin/true", args=lines)
    for row, path in ((prompt, PAGES[SystemPrompt]), (server, "/admin/tool_servers/mcpserver/")):
        page = f"{path}{row.pk}/change/"
        sent = form_of(browser, page)
        if row is prompt:
            sent["prompt_text"] = sent["prompt_text"].replace("\n", "\r\n")  # as a browser does
        answer = browser.post(page, {**sent, "tags": "night"})
        assert answer.status_code == 302, problems(answer)
        row.refresh_from_db()
    assert (prompt.tags, prompt.version, prompt.prompt_text) == (["night"], 1, "You are\n{model_name}.\n")
    assert (server.tags, server.args) == (["night"], lines)


def test_a_person_with_files_can_be_deleted(browser: Client) -> None:
    eve = User.objects.create_user("eve", password="x")
    Transfer.objects.create(user=eve, table="llm-models", direction="export", file_name="x", state="done")
    assert browser.post(f"/admin/people/user/{eve.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not User.objects.filter(username="eve").exists()
