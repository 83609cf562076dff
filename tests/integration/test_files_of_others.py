"""Files that people already have, at the doors: batches for other services, tables, and schedules with a file."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from aiops import dispatch
from aiops.batches import feeding, lifecycle, validation
from aiops.batches.models import Batch, Item
from aiops.llm import choice
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.schedules import firing
from aiops.schedules.apps import MAX_FILE_BYTES
from aiops.schedules.models import Schedule

SETTINGS = django_settings.SETTINGS
URL, SCHEDULES = "/api/batches/", "/api/schedules/"
SCHEMA = {"type": "object", "required": ["severity"]}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "run", lambda *_, **__: True)
    monkeypatch.setattr(dispatch, "validate", lambda _: True)


@pytest.fixture
def client(user: User) -> Client:
    return Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='test')[1]}"})


@pytest.fixture
def page(user: User) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def openai(**body: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "why?"}]
    asked = {"model": "offline", "messages": messages, **body}
    return {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": asked}


def jsonl(*rows: Any, name: str = "requests.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "".join(json.dumps(row) + "\n" for row in rows).encode())


def table(text: str, *, encoding: str = "utf-8", name: str = "export.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode(encoding))


def sent(client: Client, file: SimpleUploadedFile, url: str = URL, **options: Any) -> Any:
    return client.post(url, {"file": file, "options": json.dumps(options)})


def validated(answer: Any) -> tuple[Batch, list[Item]]:
    assert answer.status_code == 202, answer.content
    batch = Batch.objects.get(pk=answer.json()["id"])
    validation.validate(str(batch.pk), SETTINGS, check_options=partial(choice.problem_with, settings=SETTINGS))
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


def preview(page: Client, file: SimpleUploadedFile, *, size: int = 0, **options: Any) -> str:
    answer = page.post(f"/batches/preview/?size={size}", {"file": file, "options": json.dumps(options)})
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_preview_says_which_column_is_used_as_what(page: Client) -> None:
    text = "Issue key,Summary,model\nK-1,<b>broken</b>,ThinkPad\nK-2,slow,\n"
    without = preview(page, table(text))
    assert "give a template that makes prompts of its columns. It has: Issue key, Summary, model." in without
    shown = preview(page, table(text), template="Why {{Summary}}?", columns={"custom_id": "Issue key"})
    assert "2 lines of export.csv" in shown
    assert "<td>K-1</td><td>Why &lt;b&gt;broken&lt;/b&gt;?</td>" in shown
    uses = "<strong>Issue key</strong> (id of the line), <strong>Summary</strong> (in the template), "
    assert f"{uses}<strong>model</strong> (not used)." in shown


def test_the_preview_of_a_large_file_shows_its_whole_lines(page: Client) -> None:
    data = "prompt\n" + "".join(f"line {n} ä\n" for n in range(100))
    for encoding in ("utf-8", "utf-16"):
        begun = SimpleUploadedFile("a.csv", data.encode(encoding)[:301])
        shown = preview(page, begun, size=10_000)
        assert "The first lines of a.csv" in shown
        assert "line 4 ä" in shown
        assert 'role="alert"' not in shown


def test_the_preview_offers_to_send_lines_for_another_service_to_the_chosen_model(page: Client) -> None:
    shown = preview(page, jsonl(openai(model="gpt-4o-mini")))
    assert "they ask for gpt-4o-mini, which is not configured" in shown
    assert "why?" in shown
    assert "checked" in preview(page, jsonl(openai(model="gpt-4o-mini")), ignore_model=True)
    assert "not configured" not in preview(page, jsonl(openai()))


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json"])
def test_the_preview_of_what_cannot_be_read_says_why(page: Client, name: str) -> None:
    assert 'role="alert"' in preview(page, SimpleUploadedFile(name, b"\xff\xfe\xff<script>"), size=9)


def test_a_preview_is_for_people_who_are_signed_in(client: Client) -> None:
    anonymous = Client(headers={"host": "localhost"})
    assert anonymous.post("/batches/preview/", {"file": table("prompt\na\n")}).status_code == 302
    assert Client(enforce_csrf_checks=True, headers={"host": "localhost"}).post("/batches/preview/").status_code == 403


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
