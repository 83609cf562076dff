"""A batch as a form: each part is taken as what it says, or refused by its name; none is ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from aiops.batches import uploads as batch_uploads
from aiops.people import tokens
from aiops.people.models import User

PROBLEM = "application/problem+json"
URL = "/api/batches/"
OPTIONS = {"policy": "skip_invalid", "name": "mine", "max_concurrency": 1}


@pytest.fixture
def client(user: User) -> Client:
    return Client(headers={"host": "localhost", "authorization": f"Bearer {tokens.issue(user, name='test')[1]}"})


def upload(name: str = "a.jsonl", data: bytes = b'{"prompt": "x"}\n') -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data)


def refused(answer: Any, status: int = 400) -> set[str]:
    """Return the fields that a problem names."""
    assert (answer.status_code, answer["Content-Type"]) == (status, PROBLEM), answer.content
    return set(answer.json().get("errors", {}))


@pytest.mark.parametrize("as_file", [False, True])
def test_options_of_a_batch_may_be_a_text_or_a_file(client: Client, as_file: bool) -> None:
    written = json.dumps(OPTIONS)
    options = upload("opts.json", written.encode()) if as_file else written
    answer = client.post(URL, {"file": upload(), "options": options})
    assert answer.status_code == 202
    assert {name: answer.json()[name] for name in OPTIONS} == OPTIONS


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"file": [upload("a.jsonl"), upload("b.jsonl")]}, {"file"}),
        ({"file": upload(), "options": ["{}", "{}"]}, {"options"}),
        ({"file": upload(), "options": ["{}", upload("o.json", b"{}")]}, {"options"}),
        ({"file": upload(), "extra": "1"}, {"extra"}),
        ({"file": upload(), "more": upload("b.jsonl")}, {"more"}),
        ({"extra": "1"}, {"extra", "file"}),
        ({"items": '[{"prompt": "x"}]'}, {"items", "file"}),
        ({"file": '{"prompt": "x"}'}, {"file"}),
        ({"file": [upload(), "x"]}, {"file"}),
        ({"options": "{}"}, {"file"}),
        ({"file": upload(), "a\0b": "1"}, {"a\ufffdb"}),
    ],
    ids=str,
)
def test_a_part_that_is_too_many_or_unknown_is_refused_by_name(client: Client, form: Any, named: set[str]) -> None:
    assert refused(client.post(URL, form)) == named


@pytest.mark.parametrize(
    "options",
    [b"\xff\xfe", b"[]", b'{"name": "\\u0000"}', b'{"temperature": 1e999}', b'{"a": ' * 1_000, b"{\x00}"],
    ids=repr,
)
def test_options_of_a_batch_that_cannot_be_read_are_refused(client: Client, options: bytes) -> None:
    as_file = client.post(URL, {"file": upload(), "options": upload("o.json", options)})
    as_text = client.post(URL, {"file": upload(), "options": options})
    for answer in (as_file, as_text):
        refused(answer)


def test_options_of_a_batch_larger_than_a_body_are_refused(client: Client) -> None:
    options = json.dumps({"name": "x" * 70_000})
    refused(client.post(URL, {"file": upload(), "options": options}), 413)
    refused(client.post(URL, {"file": upload(), "options": upload("o.json", options.encode())}), 413)


def test_a_file_larger_than_a_batch_may_be_is_too_large(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    smaller = batch_uploads.SETTINGS.model_copy(update={"max_batch_bytes": 5})
    monkeypatch.setattr(batch_uploads, "SETTINGS", smaller)
    refused(client.post(URL, {"file": upload()}), 413)


def test_a_form_of_very_many_parts_is_refused(client: Client) -> None:
    refused(client.post(URL, {f"field-{number}": "" for number in range(1_500)}))
    refused(client.post(URL, {f"file-{number}": upload() for number in range(150)}))


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=\x01", "multipart/form-data; boundary=b"]
)
def test_bytes_that_are_no_form_are_refused(client: Client, kind: str) -> None:
    refused(client.generic("POST", URL, b"\x00\xff no form", kind))


@pytest.mark.parametrize("charset", ["base64", "utf-16", "utf-7"])
def test_a_form_in_another_character_set_is_refused(client: Client, charset: str) -> None:
    assert refused(client.generic("POST", URL, b"--b--", f"multipart/form-data; boundary=b; charset={charset}")) == {
        "Content-Type"
    }


def test_a_batch_without_items_is_answered_with_what_to_send(client: Client) -> None:
    assert refused(client.post(URL, {"name": "x"}, "application/json")) == {"items"}
