"""What is recorded: configuration, accounts, tokens, sign-ins, secrets; nothing that must not be in a log.

More than 250 lines: each source of rows has its doors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.test import Client

from aiops import background
from aiops.audit import hashing
from aiops.audit.actions import Action
from aiops.audit.models import AuditRow
from aiops.changes import recording
from aiops.errors import Invalid
from aiops.llm.models import LLMProvider
from aiops.people import accounts, tokens
from aiops.people.models import ApiToken, User
from aiops.people.pages import signing_in
from aiops.secrets import resolving
from aiops.secrets.uses import AGAIN_S, Uses
from aiops.secrets.values import SecretSpec
from aiops.system_prompts.models import SystemPrompt
from tests.integration.administering import PAGES, administrator, form_of
from tests.integration.audit.rows import newest
from tests.integration.secrets.calls import KEY, calls, grown
from tests.integration.secrets.settings import settings as settings_with

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct-horse-battery"
PROVIDER = {"name": "ours", "handler": "openai", "config_schema": {"base_url": "https://models.example.org/v1"}}


def actions() -> list[str]:
    return list(AuditRow.objects.order_by("sequence").values_list("action", flat=True))


def sign_in(name: str, password: str, *, client: Client | None = None, path: str = "/sign-in/") -> Any:
    return (client or Client()).post(path, {"username": name, "password": password})


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password=PASSWORD)


# Configuration


def test_a_change_by_the_api_is_recorded_with_its_actor_reason_and_values(root: User) -> None:
    call = calls(root, "/api/llm-providers/")
    made = call("POST", body=PROVIDER).json()
    created = newest(Action.CONFIGURATION_CREATED)
    assert (created.actor, created.actor_id, created.object) == ("root", root.pk, "llmprovider:ours")
    assert {name: values for name, values in created.details["changes"].items() if name != "config_schema"} == {
        "name": ["", "ours"],
        "handler": ["", "openai"],
        "is_enabled": ["", "True"],
        "tags": ["", "[]"],
    }
    call("PATCH", f"{made['id']}/", {"description": "EU"}, **{"Change-Reason": "because"})
    changed = newest(Action.CONFIGURATION_CHANGED)
    assert changed.details == {"id": made["id"], "changes": {"description": ["", "EU"]}, "reason": "because"}
    call("DELETE", f"{made['id']}/")
    deleted = newest(Action.CONFIGURATION_DELETED)
    assert (deleted.object, deleted.details["changes"]["description"]) == ("llmprovider:ours", ["EU", ""])


def test_rows_of_one_request_are_recorded_at_its_end_and_none_of_one_that_is_refused(root: User) -> None:
    call = calls(root, "/api/llm-providers/")
    bodies = [{**PROVIDER, "name": f"ours-{n}"} for n in range(5)]
    assert call("POST", body=bodies).status_code == 201
    assert actions()[-5:] == ["configuration.created"] * 5
    before = AuditRow.objects.count()
    assert call("POST", body=[{**PROVIDER, "name": "more"}, {**PROVIDER, "name": "ours-1"}]).status_code == 400
    assert AuditRow.objects.count() == before


def test_a_change_that_a_savepoint_took_back_is_not_recorded(root: User) -> None:
    def refuse() -> None:
        with recording.by(root), transaction.atomic():
            LLMProvider.objects.create(name="refused", handler="openai")
            raise Invalid("no")

    with recording.together():
        with pytest.raises(Invalid):
            refuse()
        with recording.by(root), transaction.atomic():
            LLMProvider.objects.create(name="kept", handler="openai")
    assert list(AuditRow.objects.values_list("object", flat=True)) == ["llmprovider:kept"]


def test_a_change_by_the_administration_is_recorded_once() -> None:
    browser, page = administrator(), f"{PAGES[SystemPrompt]}add/"
    sent = {**form_of(browser, page), "name": "p", "prompt_text": "Be brief.", "status": "draft"}
    assert browser.post(page, sent).status_code == 302
    (row,) = AuditRow.objects.filter(action=Action.CONFIGURATION_CREATED)
    assert (row.actor, row.object) == ("root", "systemprompt:p")


def test_the_programs_own_changes_are_the_systems() -> None:
    LLMProvider.objects.create(name="ours", handler="openai")
    row = newest(Action.CONFIGURATION_CREATED)
    assert (row.actor, row.actor_id) == ("system", None)


def test_no_value_of_a_secret_is_recorded(root: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings.SETTINGS", settings_with(encryption_keys=KEY))
    call = calls(root)
    made = call("POST", body={"name": "netbox", "kind": "stored", "value": "canary-of-netbox"}).json()
    call("PATCH", f"{made['id']}/", {"value": "canary-of-another"})
    row = newest(Action.CONFIGURATION_CHANGED)
    assert row.object == "secret:netbox"
    assert row.details["changes"]["encrypted"] == [recording.MASK, recording.MASK]
    stored = str(list(AuditRow.objects.values()))
    assert "canary" not in stored
    assert "gAAAA" not in stored  # the encrypted value, which a lost key would open


def test_long_values_are_cut_and_known_secrets_in_them_are_masked(root: User) -> None:
    text = "aiops_" + "x" * 43 + " " + "word " * 1_000
    calls(root, "/api/system-prompts/")("POST", body={"name": "p", "prompt_text": text, "status": "draft"})
    shown = newest(Action.CONFIGURATION_CREATED).details["changes"]["prompt_text"][1]
    assert shown.startswith("[redacted] word word")
    assert len(shown) == recording.MAX_AUDITED_CHARACTERS


# Signing in and out


@pytest.mark.parametrize("path", ["/sign-in/", "/admin/login/"])
def test_signing_in_and_out_is_recorded(root: User, path: str) -> None:
    client = Client()
    assert sign_in("root", PASSWORD, client=client, path=path).status_code == 302
    row = newest(Action.SIGN_IN_SUCCEEDED)
    assert (row.actor, row.actor_id, row.object, row.details) == (
        "root",
        root.pk,
        "user:root",
        {"address": "127.0.0.1"},
    )
    client.post("/sign-out/")
    assert newest(Action.SIGN_OUT).actor_id == root.pk
    client.post("/sign-out/")
    assert actions() == ["sign_in.succeeded", "sign_out"]


def test_a_failed_attempt_is_recorded_without_the_password(root: User) -> None:
    assert sign_in("root", "canary-of-a-password").status_code == 200
    row = newest(Action.SIGN_IN_FAILED)
    assert (row.actor, row.actor_id, row.object) == ("unknown", None, "user:root")
    assert row.details == {"address": "127.0.0.1", "account_exists": True}
    assert "canary" not in str(list(AuditRow.objects.values()))


@pytest.mark.parametrize("name", ["canary-in-the-wrong-field", "canary\0", "canary" * 1_000])
def test_of_a_name_that_no_account_has_only_a_digest_is_recorded(name: str) -> None:
    for _ in range(2):
        assert sign_in(name, "x").status_code == 200
    first, second = AuditRow.objects.filter(action=Action.SIGN_IN_FAILED)
    assert first.object == second.object
    assert first.object.startswith("unknown-user:")
    assert "canary" not in str(list(AuditRow.objects.values()))


def test_an_empty_form_is_no_attempt() -> None:
    sign_in("", "")
    assert actions() == []


def test_many_failed_attempts_do_not_fill_the_log(root: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_in.throttle.time, "time", lambda: 3_000_000.0)  # no minute ends within the test
    monkeypatch.setattr(signing_in, "RECORDED_PER_MINUTE", 3)
    for number in range(8):
        sign_in(f"nobody-{number}", "x")
    found = [row.details for row in AuditRow.objects.order_by("sequence")]
    assert [row.get("more_followed", False) for row in found] == [False, False, False, True]


def test_changing_the_password_is_recorded(root: User) -> None:
    client = Client()
    client.force_login(root)
    fields = {"old_password": PASSWORD, "new_password1": "canary-horse-staple", "new_password2": "canary-horse-staple"}
    assert client.post("/profile/password/", fields).status_code == 302
    assert newest(Action.PASSWORD_CHANGED).object == "user:root"
    assert "canary" not in str(list(AuditRow.objects.values()))


# Accounts and tokens


def test_tokens_are_recorded_from_every_door_without_their_text(root: User) -> None:
    call, client = calls(root, "/api/tokens/"), Client()
    client.force_login(root)
    made = call("POST", body={"name": "ci", "scope": "read", "expires_in_days": 3}).json()
    row = newest(Action.TOKEN_CREATED)
    assert (row.actor, row.object, row.details["scope"]) == ("root", "token:root/ci", "read")
    assert made["token"] not in str(list(AuditRow.objects.values()))
    assert call("DELETE", f"{made['id']}/").status_code == 204
    assert newest(Action.TOKEN_REVOKED).details["id"] == made["id"]
    client.post("/profile/tokens/", {"name": "page", "scope": "full", "expires_in_days": ""})
    assert newest(Action.TOKEN_CREATED).object == "token:root/page"
    client.post(f"/profile/tokens/{ApiToken.objects.get(name='page').pk}/revoke/")
    assert newest(Action.TOKEN_REVOKED).object == "token:root/page"
    left = ApiToken.objects.get(name="t")
    client.post(f"/admin/people/apitoken/{left.pk}/delete/", {"post": "yes"})
    assert newest(Action.TOKEN_REVOKED).object == "token:root/t"


def test_a_token_that_a_command_issues_is_the_systems(root: User) -> None:
    tokens.issue(root, name="aiops up")
    assert newest(Action.TOKEN_CREATED).actor == "system"


def test_accounts_are_recorded_with_their_rights_and_their_end(root: User) -> None:
    Group.objects.create(name="operators")
    call = calls(root, "/api/people/")
    made = call("POST", body={"username": "ann", "password": PASSWORD, "is_staff": True}).json()
    row = newest(Action.ACCOUNT_CREATED)
    assert (row.object, row.details["is_staff"]) == ("user:ann", True)
    call("PATCH", f"{made['id']}/", {"groups": ["operators"], "email": "a@example.org"})
    assert newest(Action.ACCOUNT_CHANGED).details == {"id": made["id"], "fields": ["email"], "groups": ["operators"]}
    tokens.issue(User.objects.get(username="ann"), name="ci")
    call("PATCH", f"{made['id']}/", {"is_active": False})
    assert newest(Action.ACCOUNT_CHANGED).details["is_active"] is False
    assert newest(Action.TOKEN_REVOKED).object == "token:ann/ci"
    before = AuditRow.objects.count()
    call("PATCH", f"{made['id']}/", {"groups": ["operators"]})
    assert AuditRow.objects.count() == before, "nothing was changed"
    accounts.delete(User.objects.get(username="ann"), actor=root)
    row = newest(Action.ACCOUNT_DELETED)
    assert (row.actor, row.object, row.details) == ("root", "user:ann", {"id": made["id"]})
    assert PASSWORD not in str(list(AuditRow.objects.values()))


def test_accounts_and_groups_of_the_administration_are_recorded() -> None:
    browser = administrator()
    ann = User.objects.create_user("ann", password=PASSWORD)
    page = f"/admin/people/user/{ann.pk}/change/"
    joined = ann.date_joined
    sent = {"username": "ann", "is_active": "on", "is_superuser": "on", "first_name": "", "last_name": "", "email": ""}
    sent |= {"date_joined_0": joined.strftime("%Y-%m-%d"), "date_joined_1": joined.strftime("%H:%M:%S")}
    assert browser.post(page, sent).status_code == 302
    row = newest(Action.ACCOUNT_CHANGED)
    assert (row.actor, row.object) == ("root", "user:ann")
    assert "uperuser" in str(row.details["changed"])
    right = Permission.objects.get(codename="view_auditrow")
    browser.post("/admin/auth/group/add/", {"name": "auditors", "permissions": [str(right.pk)]})
    assert newest(Action.GROUP_CREATED).object == "group:auditors"
    browser.post(f"/admin/auth/group/{Group.objects.exclude(name='approvers').get().pk}/delete/", {"post": "yes"})
    assert newest(Action.GROUP_DELETED).object == "group:auditors"
    browser.post(f"/admin/people/user/{ann.pk}/delete/", {"post": "yes"})
    assert newest(Action.ACCOUNT_DELETED).object == "user:ann"


# Secrets that workers read


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "run_later", lambda function, *args: function(*args))


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> Callable[[Uses], None]:
    monkeypatch.setattr(resolving, "_reports", [])
    return lambda uses: resolving.report_to(uses.note)


@pytest.mark.usefixtures("at_once")
def test_a_process_records_each_secret_that_it_reads_once_an_hour_and_never_its_value(
    reports: Callable[[Uses], None],
) -> None:
    now = [0.0]
    reports(Uses("host:1", clock=lambda: now[0]))
    environ = {"AIOPS_SECRET_A": "canary-a", "AIOPS_SECRET_B": "canary-b"}
    for now[0] in (0.0, 1.0, AGAIN_S - 1, AGAIN_S):
        for name in "AB":
            spec = SecretSpec(name.lower(), "env", f"AIOPS_SECRET_{name}")
            resolving.resolve(spec, settings_with(), environ)
    assert list(AuditRow.objects.order_by("sequence").values_list("object", flat=True)) == [
        *("secret:a", "secret:b"),
        *("secret:a", "secret:b"),
    ]
    row = newest(Action.SECRET_RESOLVED)
    assert (row.actor, row.details) == (
        "worker",
        {"kind": "env", "reference": "AIOPS_SECRET_B", "process": "host:1"},
    )
    assert "canary" not in str(list(AuditRow.objects.values()))


@pytest.mark.usefixtures("at_once")
def test_a_use_that_could_not_be_recorded_is_recorded_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    uses, spec = Uses("host:1"), SecretSpec("a", "env", "AIOPS_SECRET_A")
    with monkeypatch.context() as patch:
        patch.setattr(hashing.rfc8785, "dumps", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            uses.note(spec)
    uses.note(spec)
    assert actions() == ["secret.resolved"]


def test_a_secret_that_cannot_be_read_is_not_recorded_as_read(reports: Callable[[Uses], None]) -> None:
    noted: list[SecretSpec] = []
    resolving.report_to(noted.append)
    with pytest.raises(resolving.Unresolved):
        resolving.resolve(SecretSpec("a", "env", "AIOPS_SECRET_A"), settings_with(), {})
    assert noted == []


def test_people_without_rights_leave_no_rows(root: User) -> None:
    eve = calls(grown("eve"), "/api/llm-providers/")
    before = AuditRow.objects.count()
    assert eve("POST", body=PROVIDER).status_code == 403
    assert AuditRow.objects.count() == before
