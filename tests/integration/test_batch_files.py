"""What the doors of a batch give of rows that hold what no answer and no line may be."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from aiops.batches.models import Batch, Item
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web.doors import front
from aiops.web.doors.handler import Handler
from tests.conftest import OTHER_DATABASE
from tests.integration.batching import Make, make, queue
from tests.integration.conftest import Ask

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db(transaction=True)
GOOD = '{"ok": true}'
BAD = (
    f"I will look at the machine first.\n\n{GOOD}",
    "",
    "{",
    '{"ok": NaN}',
    '{"ok": -Infinity}',
    '{"ok": 1e999}',
    '{"ok": "\\ud83d"}',
    '{"\\ud83d": true}',
    '{"ok": "\\u0000"}',
    '{"ok": ' * 300 + "1" + "}" * 300,
    '{"ok": ' * 10_000,
)
"""Answers with a schema as versions before let them be."""


@pytest.fixture
def web(user: User) -> Iterator[TestClient]:
    """The whole web process."""
    with TestClient(front.make(Handler()), base_url="http://127.0.0.1") as client:
        client.headers["Authorization"] = f"Bearer {tokens.issue(user, name='test')[1]}"
        yield client


@pytest.fixture
def answered(ask: Ask, user: User, sent: list[str]) -> Batch:
    """A batch with a schema whose items have good and bad answers in turn, and have succeeded and failed in turn."""
    count = 2 * len(BAD)
    batch = Batch.objects.create(
        user=user, state=Batch.State.COMPLETED, total=2 * count, succeeded=count, failed=count, max_concurrency=1,
        completion_window_s=60, response_schema={"type": "object"},
    )  # fmt: skip
    number = 0
    for bad in BAD:
        for answer in (bad, GOOD):
            for state in (Item.State.SUCCEEDED, Item.State.FAILED):
                number += 1
                run = ask()
                Run.objects.filter(pk=run.pk).update(
                    state=State(state.value), answer=answer, options={"answer_schema": True}
                )
                Item.objects.create(batch=batch, number=number, custom_id=f"c{number}", state=state, run=run)
    return batch


def strictly(text: str) -> Any:
    """Read JSON as other languages do, which know neither NaN nor infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    read = json.loads(text, parse_constant=refuse)
    text.encode()
    json.dumps(read, ensure_ascii=False, allow_nan=False).encode()
    return read


def test_stored_answers_that_are_no_json_spoil_neither_lists_nor_files(web: TestClient, answered: Batch) -> None:
    at = f"/api/batches/{answered.pk}/"
    expected = [value for _ in BAD for value in (None, {"ok": True})]
    page = web.get(f"{at}items/", params={"limit": 200})
    assert page.status_code == 200
    items = strictly(page.text)["results"]
    assert [item["custom_id"] for item in items] == [f"c{n + 1}" for n in range(4 * len(BAD))]
    assert [item["value"] for item in items if item["state"] == "succeeded"] == expected
    lines = [strictly(line) for line in web.get(f"{at}results/").text.splitlines()]
    assert [line["value"] for line in lines] == expected
    assert [line["answer"] for line in lines] == [answer for bad in BAD for answer in (bad, GOOD)]
    head, *cells = csv.reader(io.StringIO(web.get(f"{at}results/", params={"as": "csv"}).text, newline=""))
    assert [cell[head.index("answer")] for cell in cells] == [line["answer"] for line in lines]
    for kind in ("jsonl", "csv"):
        errors = web.get(f"{at}errors/", params={"as": kind}).text
        assert [f"c{n}" in errors for n in range(2, 4 * len(BAD) + 1, 2)] == [True] * 2 * len(BAD)
    assert [strictly(line)["value"] for line in web.get(f"{at}errors/").text.splitlines()] == [None] * 2 * len(BAD)


@pytest.mark.skipif(bool(OTHER_DATABASE), reason="PostgreSQL stores no half characters")
def test_a_stored_reason_with_half_a_character_spoils_neither_lists_nor_files(web: TestClient, answered: Batch) -> None:
    Item.objects.filter(number=2).update(error={"code": "x", "detail": "There is no such field: \ud800."})
    at = f"/api/batches/{answered.pk}/"
    items = web.get(f"{at}items/", params={"limit": 200}).json()["results"]
    lines = [strictly(line) for line in web.get(f"{at}errors/").text.splitlines()]
    assert len(items) == 2 * len(lines) == answered.total
    assert items[1]["error"] == lines[0]["error"] == {"code": "x", "detail": "There is no such field: \ufffd."}
    assert "There is no such field: \ufffd." in web.get(f"{at}errors/", params={"as": "csv"}).text


def test_valid_lines_of_a_refused_batch_are_in_its_errors_file_as_not_run(web: TestClient, make: Make) -> None:
    lines = [json.dumps({"custom_id": one, "prompt": "hello"}) for one in ("first", "second")]
    batch = make(lines=[lines[0], "{", lines[1]])
    assert batch.state == "failed"
    at = f"/api/batches/{batch.pk}/"
    lines = [json.loads(line) for line in web.get(f"{at}errors/").text.splitlines()]
    assert [(one["number"], one["state"], one["error"]["code"]) for one in lines] == [
        (1, "cancelled", "not_run"),
        (2, "invalid", "invalid_line"),
        (3, "cancelled", "not_run"),
    ]
    assert [one["custom_id"] for one in lines if one["error"]["code"] == "not_run"] == ["first", "second"]
    assert lines[0]["error"]["detail"].startswith("The batch was refused, so nothing was run: 1 of 3 lines are invalid")
    sheet = list(csv.DictReader(io.StringIO(web.get(f"{at}errors/", params={"as": "csv"}).text, newline="")))
    assert [row["error"] for row in sheet] == [one["error"]["detail"] for one in lines]
    assert web.get(f"{at}results/").text == ""
    counts = {name: count for name, count in web.get(at).json()["counts"].items() if count}
    assert counts == {"total": 3, "cancelled": 2, "invalid": 1}
