"""The audit log by API, file and page: only for holders of the permission, filtered, page by page, and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from starlette.testclient import TestClient

from aiops import database
from aiops.audit import api, streams, verifying
from aiops.audit.actions import Action
from aiops.audit.hashing import hash_of
from aiops.audit.models import AuditRow
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


def sequences(found: Any) -> list[int]:
    return [row["sequence"] for row in found.json()["results"]]


@pytest.fixture
def file(auditor: User) -> Iterator[TestClient]:
    token = tokens.issue(auditor, name="t", scope="read")[1]
    with TestClient(front.make(Handler()), base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def test_rows_are_listed_newest_first_with_all_that_their_hash_covers(auditor: User) -> None:
    rows.fill()
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
    rows.fill()
    assert sequences(calls(auditor, PATH)("GET", f"?{query}")) == found


def test_times_are_from_and_before(auditor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    middle = database.now()
    with monkeypatch.context() as patch:
        for second in (-1, 0, 1):
            patch.setattr(database, "now", partial(middle.__add__, timedelta(seconds=second)))
            rows.add()
    call = calls(auditor, PATH)
    at = middle.isoformat().replace("+00:00", "Z")
    assert sequences(call("GET", f"?since={at}&actor=ann")) == [3, 2]
    assert sequences(call("GET", f"?until={at}")) == [1]
    later = (middle + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert sequences(call("GET", f"?since={later}")) == []


@pytest.mark.parametrize(
    "query",
    [
        *("actor=", "action=nonsense", "object=", "who=ann", "limit=0", "cursor=x"),
        *("since=yesterday", "since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-10:00"),
    ],
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
    rows.fill()
    for where in ("", "1/", "verify/"):
        assert root(method, where, {}).status_code in (404, 405), where
    assert AuditRow.objects.filter(sequence__lte=4).count() == 4


def test_a_verification_goes_page_by_page_and_names_the_first_problem(
    auditor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.verifying, "verify", partial(verifying.verify, limit=3))
    call = calls(auditor, PATH)
    rows.add(6)
    first = call("GET", "verify/").json()
    assert first == {"checked": 3, "after": 3, "done": False, "problem": None}
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET actor = 'bob' WHERE sequence = 6")
    second = call("GET", f"verify/?after={first['after']}").json()
    assert (second["checked"], second["done"], second["problem"]["sequence"]) == (2, True, 6)


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
    rows.fill()
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
