"""Files of rows on their way: who may send and fetch them, and what happens when a worker dies."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError
from django.db.models.functions import Now
from django.test import Client

from aiops.llm.models import LLMModel
from aiops.people.models import User
from aiops.transfers import importing, jobs
from aiops.transfers.models import Transfer
from tests.integration.administering import administrator
from tests.integration.llm.rows import model, provider
from tests.integration.transferring import START, sent

pytestmark = pytest.mark.django_db(transaction=True)
HEADER = "name,provider,temperature,tags\n"


@pytest.fixture
def browser() -> Client:
    return administrator()


def test_the_chosen_rows_alone_are_exported(browser: Client) -> None:
    chosen = [model("a"), model("b"), model("c")][:2]
    ids = [str(row.pk) for row in chosen]
    answer = browser.post("/admin/llm/llmmodel/", {"action": "export_rows", "_selected_action": ids})
    assert answer.status_code == 302
    jobs.run_transfers(django_settings.SETTINGS)
    file = browser.get(answer.headers["Location"].replace("/change/", "/file/")).content.decode("utf-8-sig")
    assert [row["name"] for row in csv.DictReader(io.StringIO(file))] == ["a", "b"]


def test_who_may_not_imports_and_exports_nothing(browser: Client) -> None:
    reader = User.objects.create_user("rea", password="x", is_staff=True)
    browser.force_login(reader)
    file = SimpleUploadedFile("rows.csv", b"name\na\n")
    assert browser.post(f"{START}import/?table=llm-models", {"file": file}).status_code == 403
    assert browser.post(f"{START}export/", {"table": "llm-models"}).status_code == 403
    assert browser.post(f"{START}export/", {"table": "people"}).status_code == 404
    reader.user_permissions.add(Permission.objects.get(codename="view_llmmodel"))
    assert browser.post(f"{START}export/", {"table": "llm-models"}).status_code == 302
    other = Client()
    other.force_login(User.objects.create_user("eve", password="x", is_staff=True))
    (transfer,) = Transfer.objects.all()
    jobs.run_transfers(django_settings.SETTINGS)
    assert other.get(f"{START}{transfer.pk}/file/").status_code == 404
    assert other.get(f"{START}{transfer.pk}/change/").status_code == 302
    other.get(START)  # shows the message that there is no such object
    assert str(transfer.pk) not in other.get(START).content.decode()


def test_a_right_that_was_taken_meanwhile_is_not_used(browser: Client) -> None:
    model("a")
    editor = User.objects.create_user("eve", password="x", is_staff=True)
    editor.user_permissions.set(Permission.objects.filter(content_type__app_label="llm"))
    browser.force_login(editor)
    file = SimpleUploadedFile("rows.csv", b"name,description\na,new\n")
    browser.post(f"{START}import/?table=llm-models", {"file": file})
    editor.user_permissions.clear()
    jobs.run_transfers(django_settings.SETTINGS)
    (done,) = Transfer.objects.all()
    assert (done.state, "any more" in done.problems[0]["text"]) == ("failed", True)


def test_one_that_a_dead_worker_left_is_finished_by_another(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    provider("cloud", "openai")
    data = HEADER + "".join(f"m{n},cloud,0.5,\n" for n in range(250))
    real, count = importing._Work._chunk, 0

    def dying(self: Any, chunk: Any, *, keep: bool, counted: bool) -> None:
        nonlocal count
        real(self, chunk, keep=keep, counted=counted)
        count += keep
        if count == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(importing._Work, "_chunk", dying)
    with pytest.raises(KeyboardInterrupt):
        sent(browser, data.encode())
    monkeypatch.setattr(importing._Work, "_chunk", real)
    jobs.run_transfers(django_settings.SETTINGS)
    (left,) = Transfer.objects.all()
    assert (left.state, left.phase, left.done) == ("running", "saving", 100), "its worker may still live"
    assert LLMModel.objects.count() == 200
    Transfer.objects.update(touched_at=Now() - timedelta(minutes=2))
    jobs.run_transfers(django_settings.SETTINGS)
    left.refresh_from_db()
    assert (left.state, left.outcome, left.attempt) == ("done", {"unchanged": 200, "added": 50}, 2)


def test_one_that_always_kills_its_worker_is_given_up(browser: Client) -> None:
    made = Transfer.objects.create(
        user=User.objects.get(),
        table="llm-models",
        direction="import",
        file_name="x",
        state="running",
        attempt=3,
        touched_at=Now() - timedelta(minutes=2),
    )
    jobs.run_transfers(django_settings.SETTINGS)
    made.refresh_from_db()
    assert (made.state, made.problems[0]["text"]) == ("failed", jobs.GIVEN_UP)


def test_old_ones_are_removed(browser: Client) -> None:
    Transfer.objects.create(
        user=User.objects.get(),
        table="llm-models",
        direction="export",
        file_name="x",
        state="done",
        finished_at=Now() - timedelta(days=8),
    )
    assert jobs.run_transfers(django_settings.SETTINGS) == {"transfers": 0, "removed": 1}


def test_one_that_the_database_refuses_delays_no_other(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    user = User.objects.get()
    made = [
        Transfer.objects.create(user=user, table=table, direction="export", file_name="x")
        for table in ("llm-models", "llm-providers")
    ]
    real = jobs.export

    def export(of: Any, *rest: Any) -> Any:
        if of.path == "llm-models":
            raise DatabaseError("locked")
        return real(of, *rest)

    monkeypatch.setattr(jobs, "export", export)
    assert jobs.run_transfers(django_settings.SETTINGS)["transfers"] == 2
    for one in made:
        one.refresh_from_db()
    assert [one.state for one in made] == ["running", "done"]
