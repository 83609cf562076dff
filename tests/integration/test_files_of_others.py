"""Files that people already have, at the doors: batches for other services, tables, and schedules with a file."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from aiops import dispatch
from aiops.batches import feeding, lifecycle, validation
from aiops.batches.models import Batch, Item
from aiops.llm import snapshot
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.schedules import firing
from aiops.schedules.apps import MAX_FILE_BYTES
from aiops.schedules.models import Schedule
from tests.integration.sending import URL, jsonl, openai, sent, table

SETTINGS = django_settings.SETTINGS
SCHEDULES = "/api/schedules/"
SCHEMA = {"type": "object", "required": ["severity"]}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "run", lambda *_, **__: True)
    monkeypatch.setattr(dispatch, "validate", lambda _: True)


@pytest.fixture
def client(user: User) -> Client:
    return Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='test')[1]}"})


def validated(answer: Any) -> tuple[Batch, list[Item]]:
    assert answer.status_code == 202, answer.content
    batch = Batch.objects.get(pk=answer.json()["id"])
    validation.validate(str(batch.pk), SETTINGS, check_options=partial(snapshot.problem_with, settings=SETTINGS))
    batch.refresh_from_db()
    return batch, list(Item.objects.filter(batch=batch).order_by("number"))


def test_what_a_line_for_openai_asks_for_reaches_its_run(client: Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
    batch, (item,) = validated(
        sent(client, jsonl(openai(temperature=0, max_completion_tokens=9, response_format=form)))
    )
    assert (batch.state, item.error) == ("in_progress", None)
    feeding.tick(SETTINGS)
    run = Run.objects.get()
    wanted = {"model": "offline", "temperature": 0, "max_tokens": 9, "instructions": "Be brief.", "answer_schema": True}
    wanted |= {"read_only": True}
    assert run.options == wanted
    assert lifecycle.schema_of(run.pk) == SCHEMA
    assert run.message.text == "why?"


def test_a_file_for_a_model_that_is_not_here_is_offered_to_the_chosen_one(client: Client) -> None:
    row = openai(model="gpt-4o-mini")
    refused = sent(client, jsonl(row))
    assert (refused.status_code, Batch.objects.count()) == (400, 0)
    assert refused.json()["errors"] == {
        "ignore_model": [
            "Its lines ask for 'gpt-4o-mini'. True (--ignore-model) sends all to 'offline', the chosen model."
        ]
    }
    _, (item,) = validated(sent(client, jsonl(row), ignore_model=True))
    assert "model" not in item.options
    _, items = validated(sent(client, jsonl(row, openai()), policy="skip_invalid"))
    assert [item.state for item in items] == ["invalid", "pending"]
    assert "ignore_model" in (items[0].error or {})["detail"]


def test_a_table_of_excel_is_read_with_its_options(client: Client) -> None:
    text = "Nummer;Kurztext\r\nINC1;Gerät „alt“ fällt aus\r\n;\r\n"
    options = {"template": "{{Kurztext}}", "columns": {"custom_id": "Nummer"}, "encoding": "windows-1252"}
    batch, (item,) = validated(sent(client, table(text, encoding="windows-1252"), **options))
    assert (item.custom_id, item.prompt) == ("INC1", "Gerät „alt“ fällt aus")
    shown = client.get(f"{URL}{batch.pk}/").json()
    assert {name: shown[name] for name in options} == options
    without, _ = validated(sent(client, table(text, encoding="windows-1252"), template="{{Kurztext}}"))
    assert "windows-1252" in (without.error or {})["detail"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"encoding": "rot13"}, "encoding"),
        ({"columns": {"prompt": "a"}}, "columns"),
        ({"columns": {"custom_id": 5}}, "columns"),
        ({"columns": []}, "columns"),
        ({"ignore_model": "yes"}, "ignore_model"),
        ({"template": "no column"}, "template"),
        ({"template": "{{ }}"}, "template"),
        ({"template": "{{a} }"}, "template"),
        ({"template": "{{a}} {{b"}, "template"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(client: Client, options: dict[str, Any], field: str) -> None:
    answer = sent(client, table("prompt\na\n"), **options)
    assert answer.status_code == 400
    assert field in " ".join(answer.json()["errors"])


def test_columns_of_a_file_without_columns_are_refused(client: Client) -> None:
    answer = sent(client, jsonl({"prompt": "a"}), columns={"custom_id": "a"})
    assert set(answer.json()["errors"]) == {"columns"}


def test_a_schedule_keeps_the_lines_of_a_file_as_they_were_read(client: Client) -> None:
    batch = {"template": "{{Kurztext}}", "columns": {"custom_id": "Nummer"}, "encoding": "windows-1252"}
    file = table("Nummer;Kurztext\nINC1;fällt aus\n", encoding="windows-1252")
    made = sent(client, file, SCHEDULES, name="s", every_s=3600, batch=batch)
    assert made.status_code == 201, made.content
    schedule = Schedule.objects.get(pk=made.json()["id"])
    firing.run_now(schedule, SETTINGS)
    batch_made = Batch.objects.get()
    validation.validate(str(batch_made.pk), SETTINGS)
    (item,) = Item.objects.all()
    assert (item.state, item.custom_id, item.prompt) == ("pending", "INC1", "fällt aus")


@pytest.mark.parametrize(
    ("file", "options", "says"),
    [
        (jsonl({"prompt": "a"}, {"prompt": ""}), {}, "Line 2: The prompt is blank."),
        (table("a;b\n1;2\n"), {}, "no column 'prompt'"),
        (jsonl(openai(model="gpt-4o")), {}, "ignore_model"),
        (SimpleUploadedFile("a.jsonl", b"\n"), {}, "The file has no lines."),
        (jsonl({"prompt": "a"}), {"message": "x"}, "There is no such field"),
        (jsonl({"prompt": "a"}), {"batch": {"items": []}}, "items"),
    ],
    ids=str,
)
def test_a_file_that_no_firing_could_run_makes_no_schedule(
    client: Client, file: SimpleUploadedFile, options: dict[str, Any], says: str
) -> None:
    file.seek(0)
    answer = sent(client, file, SCHEDULES, name="s", every_s=3600, **options)
    assert (answer.status_code, Schedule.objects.count()) == (400, 0)
    assert says in json.dumps(answer.json()["errors"])


def test_a_file_that_is_too_large_for_a_schedule_is_refused(client: Client) -> None:
    large = SimpleUploadedFile("a.jsonl", b'{"prompt": "a"}\n' + b" " * MAX_FILE_BYTES)
    assert sent(client, large, SCHEDULES, name="s", every_s=3600).status_code == 413


def test_a_form_changes_no_schedule(client: Client) -> None:
    made = sent(client, jsonl({"prompt": "a"}), SCHEDULES, name="s", every_s=3600, allow_changes=True).json()
    form = encode_multipart(BOUNDARY, {"name": "other"})
    answer = client.patch(f"{SCHEDULES}{made['id']}/", form, content_type=MULTIPART_CONTENT)
    assert answer.status_code == 415
    schedule = Schedule.objects.get()
    assert (schedule.name, schedule.options) == ("s", {"read_only": False})


def test_lines_that_a_template_makes_too_large_for_a_row_make_no_schedule(client: Client) -> None:
    rows = table("a\n" + "x\n" * 2_000)
    answer = sent(client, rows, SCHEDULES, name="s", every_s=3600, batch={"template": "{{a}}" + "y" * 5_000})
    assert (answer.status_code, Schedule.objects.count()) == (413, 0)


def test_a_key_with_other_options_as_a_file_is_refused(client: Client) -> None:
    def asked(name: str) -> int:
        options = SimpleUploadedFile("o.json", json.dumps({"name": name, "every_s": 3600}).encode())
        form = {"file": jsonl({"prompt": "a"}), "options": options}
        return int(client.post(SCHEDULES, form, headers={"Idempotency-Key": "k"}).status_code)

    assert [asked("s"), asked("s"), asked("other")] == [201, 201, 422]
