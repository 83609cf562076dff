"""The audit log by API, file and page: only for holders of the permission, filtered, page by page, and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from starlette.testclient import TestClient

from aiops.audit import api, checkpoints, streams, verifying
from aiops.audit.actions import Action
from aiops.audit.hashing import hash_of
from aiops.audit.models import AuditRow
from aiops.audit.recording import Entry, record_all
from aiops.people import tokens
from aiops.people.models import User
from aiops.web.doors import front
from aiops.web.doors.handler import Handler
from tests.integration.audit import rows
from tests.integration.secrets.calls import calls, grown

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/audit/"
ROW = ["sequence", "at", "actor", "actor_id", "action", "object", "details", "previous_hash", "hash"]


@pytest.fixture
def auditor() -> User:
    return grown("auditor", "view_auditrow")


def fill() -> None:
    entries = [
        Entry(Action.SIGN_OUT, "ann", "user:ann"),
        Entry(Action.SECRET_RESOLVED, "worker", "secret:netbox"),
        Entry(Action.TOOL_CALLED, "ann", "tool:net/change"),
        Entry(Action.SIGN_OUT, "bob", "user:bob"),
    ]
    with transaction.atomic():
        record_all(entries)


def sequences(found: Any) -> list[int]:
    return [row["sequence"] for row in found.json()["results"]]


@pytest.fixture
def file(auditor: User) -> Iterator[TestClient]:
    token = tokens.issue(auditor, name="t", scope="read")[1]
    with TestClient(front.make(Handler()), base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def test_rows_are_listed_newest_first_with_all_that_their_hash_covers(auditor: User) -> None:
    fill()
    call = calls(auditor, PATH)
    (first, *_), row = call("GET").json()["results"], rows.newest(Action.TOKEN_CREATED)
    assert list(first) == ROW
    assert (first["sequence"], first["hash"], first["at"]) == (row.sequence, hash_of(row), row.at.isoformat("T"))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("actor=ann", [3, 1]),
        ("action=sign_out", [4, 1]),
        ("object=secret:netbox", [2]),
        ("actor=ann&action=sign_out", [1]),
        ("object=secret", []),
        ("since=2000-01-01&until=2001-01-01", []),
    ],
)
def test_filters_are_exact_and_can_be_combined(auditor: User, query: str, found: list[int]) -> None:
    fill()
    assert sequences(calls(auditor, PATH)("GET", f"?{query}")) == found


def test_times_are_from_and_before(auditor: User) -> None:
    rows.add(3)
    middle = AuditRow.objects.get(sequence=2).at
    call = calls(auditor, PATH)
    at = middle.isoformat().replace("+00:00", "Z")
    assert sequences(call("GET", f"?since={at}&actor=ann")) == [3, 2]
    assert sequences(call("GET", f"?until={at}")) == [1]
    later = (middle + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert sequences(call("GET", f"?since={later}")) == []


@pytest.mark.parametrize(
    "query", ["actor=", "action=nonsense", "since=yesterday", "who=ann", "limit=0", "cursor=x", "object="]
)
def test_what_would_not_filter_is_refused_by_name(auditor: User, query: str) -> None:
    refused = calls(auditor, PATH)("GET", f"?{query}")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, [query.partition("=")[0]])


def test_pages_follow_each_other_and_cost_the_same(auditor: User) -> None:
    rows.add(30)
    call = calls(auditor, PATH)
    first = call("GET", "?limit=20&actor=ann").json()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        second = call("GET", PATH + "?" + first["next"].partition("?")[2]).json()
    assert [row["sequence"] for row in first["results"] + second["results"]] == list(range(30, 0, -1))
    assert len(queries) < 15


@pytest.mark.parametrize("where", ["", "verify/"])
def test_others_get_no_row(where: str) -> None:
    assert calls(grown("eve", "view_secret"), PATH)("GET", where).status_code == 403
    assert Client().get(PATH + where).status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_no_call_changes_rows(method: str) -> None:
    root = calls(User.objects.create_superuser("root"), PATH)
    fill()
    for where in ("", "1/", "verify/"):
        assert root(method, where, {}).status_code in (404, 405), where
    assert AuditRow.objects.filter(sequence__lte=4).count() == 4


def test_a_verification_goes_page_by_page_and_names_the_first_problem(
    auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.verifying, "verify", lambda after: verifying_of(after, limit=3))
    call = calls(auditor, PATH)
    rows.add(6)
    first = call("GET", "verify/").json()
    assert first == {"checked": 3, "after": 3, "done": False, "problem": None}
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET actor = 'bob' WHERE sequence = 6")
    second = call("GET", f"verify/?after={first['after']}").json()
    assert (second["checked"], second["done"], second["problem"]["sequence"]) == (2, True, 6)


verifying_of = verifying.verify


@pytest.mark.parametrize("after", ["x", "-1", "", "9223372036854775808", "٣"])
def test_a_place_that_is_no_number_is_refused(auditor: User, after: str) -> None:
    refused = calls(auditor, PATH)("GET", f"verify/?after={after}")
    assert (refused.status_code, list(refused.json()["errors"])) == (400, ["after"])


def test_a_place_behind_the_end_is_a_missing_row(auditor: User) -> None:
    found = calls(auditor, PATH)("GET", "verify/?after=9223372036854775807").json()
    assert found["problem"]["what"] == "is missing"


def test_an_export_has_all_rows_in_order_and_is_itself_recorded(
    file: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PAGE", 3)
    rows.add(10)
    answer = file.get(f"{PATH}export/")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["sequence"] for line in lines] == list(range(1, 13))  # a token, ten rows, the export
    assert list(lines[0]) == ROW
    assert (lines[-1]["action"], lines[-1]["actor"]) == ("audit.exported", "auditor")


def test_an_export_is_filtered_and_says_so_in_the_log(file: TestClient) -> None:
    fill()
    answer = file.get(f"{PATH}export/?actor=ann&action=")
    assert [json.loads(line)["object"] for line in answer.text.splitlines()] == ["user:ann", "tool:net/change"]
    assert rows.newest(Action.AUDIT_EXPORTED).details == {"filters": {"actor": "ann"}}


def test_an_export_is_refused_without_the_permission_and_with_wrong_filters(file: TestClient) -> None:
    for query, errors in (("?who=ann", ["who"]), ("?since=never", ["since"])):
        refused = file.get(f"{PATH}export/{query}")
        assert (refused.status_code, list(refused.json()["errors"])) == (400, errors)
    eve = {"authorization": f"Bearer {tokens.issue(grown('eve'), name='t')[1]}"}
    assert file.get(f"{PATH}export/", headers=eve).status_code == 403
    assert file.get(f"{PATH}export/", headers={"authorization": ""}).status_code == 401
    assert file.get(f"{PATH}export/", headers={"origin": "https://evil.example"}).status_code == 403
    assert not AuditRow.objects.filter(action=Action.AUDIT_EXPORTED).exists()


# The page


def page(user: User, query: str = "") -> Any:
    browser = Client()
    browser.force_login(user)
    return browser.get(f"/audit/{query}")


def test_the_page_shows_rows_their_details_and_what_was_verified(auditor: User) -> None:
    with transaction.atomic():
        details = {"changes": {"limit": ["1", "<b>2</b>"]}, "arguments_hash": "abc", "nested": {"a": [1]}}
        record_all([Entry(Action.CONFIGURATION_CHANGED, "ann", "llmmodel:x<i>", details=details)])
    assert "None was verified yet" in page(auditor).content.decode()
    checkpoints.advance()
    shown = page(auditor).content.decode()
    for text in ("1 → &lt;b&gt;2&lt;/b&gt;", "arguments hash", "llmmodel:x&lt;i&gt;", "Up to row 1 "):
        assert text in shown, text
    assert AuditRow.objects.get(sequence=1).hash[:12] in shown
    assert 'href="/audit/"' in shown  # in the navigation


def test_the_page_has_filters_and_pages_that_keep_them(auditor: User) -> None:
    rows.add(60)
    fill()
    found = page(auditor, "?actor=ann")
    assert [row.sequence for row in found.context["page"].rows] == [63, 61, *range(60, 12, -1)]
    older = page(auditor, found.context["page"].older)
    assert [row.sequence for row in older.context["page"].rows] == list(range(12, 0, -1))
    newer = page(auditor, older.context["page"].newer)
    assert newer.context["page"].rows[0].sequence == 63
    assert 'href="/api/audit/export/?actor=ann"' in older.content.decode()
    assert "No row matches" in page(auditor, "?object=x").content.decode()
    wrong = page(auditor, "?since=never")
    assert (wrong.status_code, "since: " in wrong.content.decode()) == (200, True)


@pytest.mark.parametrize("query", ["?before=x", "?after=-1", "?before=" + "9" * 40, "?after=0", "?before=0"])
def test_a_page_that_cannot_be_is_a_page_all_the_same(auditor: User, query: str) -> None:
    fill()
    assert page(auditor, query).status_code == 200


def test_the_page_is_refused_without_the_permission() -> None:
    refused = page(grown("eve"))
    assert (refused.status_code, "audit.view_auditrow" in refused.content.decode()) == (403, True)
    assert "/audit/" not in page(grown("bob")).content.decode().replace("/api/audit/", "")
    assert Client().get("/audit/").status_code == 302


def test_rows_that_were_tampered_with_are_shown_all_the_same(auditor: User) -> None:
    fill()
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET details = '[1]' WHERE sequence = 1")
        cursor.execute("UPDATE audit_auditrow SET details = '\"x\"' WHERE sequence = 2")
    assert page(auditor).status_code == 200
    assert calls(auditor, PATH)("GET").status_code == 200


def test_the_administration_shows_rows_and_changes_none() -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    fill()
    assert "secret:netbox" in browser.get("/admin/audit/auditrow/").content.decode()
    assert browser.get("/admin/audit/auditrow/1/change/").status_code == 200
    for refused in ("add/", "1/delete/"):
        assert browser.get(f"/admin/audit/auditrow/{refused}").status_code == 403
    assert browser.post("/admin/audit/auditrow/1/change/", {"actor": "bob"}).status_code == 403
