"""The page's preview of a batch file: what the reader makes of its beginning, before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from aiops.people.models import User
from tests.integration.sending import jsonl, openai, table

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page(user: User) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


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


def test_the_preview_finds_what_would_fail_after_the_file_was_sent(page: Client) -> None:
    twice = preview(page, jsonl({"custom_id": "a", "prompt": "x"}, {"custom_id": "a", "prompt": "y"}))
    assert "The custom_id &#x27;a&#x27; is not unique: line 1 has it, too." in twice
    assert "The file has no lines." in preview(page, table("prompt\n"))


def test_a_preview_is_for_people_who_are_signed_in() -> None:
    anonymous = Client(headers={"host": "localhost"})
    assert anonymous.post("/batches/preview/", {"file": table("prompt\na\n")}).status_code == 302
    assert Client(enforce_csrf_checks=True, headers={"host": "localhost"}).post("/batches/preview/").status_code == 403


def test_a_model_that_no_page_can_show_breaks_no_preview(page: Client) -> None:
    assert "half a surrogate pair" in preview(page, jsonl(openai(model="m\ud800")))
