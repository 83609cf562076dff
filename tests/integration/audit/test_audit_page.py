"""The page of the audit log, and its rows in the administration: by permission, and whatever is in a row."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from aiops.audit import checkpoints
from aiops.audit.actions import Action
from aiops.audit.models import AuditRow
from aiops.audit.recording import Entry, record_all
from aiops.people.models import User
from tests.integration.audit import rows
from tests.integration.secrets.calls import calls, grown

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/api/audit/"


@pytest.fixture
def auditor() -> User:
    return grown("auditor", "view_auditrow")


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
    rows.fill()
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
    rows.fill()
    assert page(auditor, query).status_code == 200


def test_the_page_is_refused_without_the_permission() -> None:
    refused = page(grown("eve"))
    assert (refused.status_code, "audit.view_auditrow" in refused.content.decode()) == (403, True)
    assert "/audit/" not in page(grown("bob")).content.decode().replace("/api/audit/", "")
    assert Client().get("/audit/").status_code == 302


def test_rows_that_were_tampered_with_are_shown_all_the_same(auditor: User) -> None:
    rows.fill()
    with rows.tampering() as cursor:
        cursor.execute("UPDATE audit_auditrow SET details = '[1]' WHERE sequence = 1")
        cursor.execute("UPDATE audit_auditrow SET details = '\"x\"' WHERE sequence = 2")
    assert page(auditor).status_code == 200
    assert calls(auditor, PATH)("GET").status_code == 200


def test_the_administration_shows_rows_and_changes_none() -> None:
    browser = Client()
    browser.force_login(User.objects.create_superuser("root"))
    rows.fill()
    assert "secret:netbox" in browser.get("/admin/audit/auditrow/").content.decode()
    assert browser.get("/admin/audit/auditrow/1/change/").status_code == 200
    for refused in ("add/", "1/delete/"):
        assert browser.get(f"/admin/audit/auditrow/{refused}").status_code == 403
    assert browser.post("/admin/audit/auditrow/1/change/", {"actor": "bob"}).status_code == 403
