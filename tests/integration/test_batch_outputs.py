"""Files of results in the forms of others: OpenAI's output file to the field, and CSV that a spreadsheet only shows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from pydantic import BaseModel
from starlette.testclient import TestClient

from aiops.batches import lifecycle
from aiops.batches.models import Batch, Item
from aiops.people import tokens
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.web.doors import front
from aiops.web.doors.handler import Handler
from tests.integration.batching import Make, end, make, queue, running, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db(transaction=True)
LINE = {"id", "custom_id", "response", "error"}
"""The fields of a line in OpenAI's output and error files (BatchRequestOutput of its API description 2.3.0)."""
EVALUATED = ("=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1", "＋1", "－1", "＠a")
"""Beginnings that spreadsheets take for formulas; Japanese and Chinese ones also take the full-width characters."""
ANSWERS = ("Grüße, „Köln“; 80 €", '=HYPERLINK("http://x","y")', "\t=1", "\r\n+1", "ok\n=1", "- one\n- two", '"=1"')


@pytest.fixture
def web(user: User) -> Iterator[TestClient]:
    """The whole web process."""
    with TestClient(front.make(Handler()), base_url="http://127.0.0.1") as client:
        client.headers["Authorization"] = f"Bearer {tokens.issue(user, name='test')[1]}"
        yield client


@pytest.fixture
def batch(make: Make) -> Batch:
    """A batch in OpenAI's form with two answers, a failure, an invalid and a cancelled line."""
    bodies: list[dict[str, Any]] = [{"messages": [{"role": "user", "content": "hi"}]} for _ in range(5)]
    bodies[3]["n"] = 2
    to = {"method": "POST", "url": "/v1/chat/completions"}
    rows = [{"custom_id": f"request-{n}", **to, "body": body} for n, body in enumerate(bodies, 1)]
    made = make(lines=[json.dumps(row) for row in rows], policy="skip_invalid")
    tick()
    one, two, three = running(made)[:3]
    end(one)
    end(two)
    end(three, "failed", code="model_key_refused", detail="The provider refuses the key.", retry=False)
    tick()
    lifecycle.cancel(made)
    tick()
    made.refresh_from_db()
    return made


def lines(web: TestClient, batch: Batch, kind: str) -> list[dict[str, Any]]:
    answer = web.get(f"/api/batches/{batch.pk}/{kind}/", params={"as": "openai"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.split("\n") if line]


def unknown(model: BaseModel) -> set[str]:
    """Return the fields of a model, and of all in it, that OpenAI's library does not know."""
    found = set(model.model_extra or {})
    for value in dict(model).values():
        for one in value if isinstance(value, list) else [value]:
            found |= unknown(one) if isinstance(one, BaseModel) else set()
    return found


def test_results_have_the_fields_of_the_output_file_of_openai(web: TestClient, batch: Batch) -> None:
    found = lines(web, batch, "results")
    assert [line["custom_id"] for line in found] == ["request-1", "request-2"]
    assert len({line["id"] for line in found}) == 2
    for line in found:
        assert set(line) == LINE
        assert line["error"] is None
        assert set(line["response"]) == {"status_code", "request_id", "body"}
        assert (line["response"]["status_code"], type(line["response"]["request_id"])) == (200, str)
        completion = ChatCompletion.model_validate(line["response"]["body"], strict=False)
        assert unknown(completion) == set()
        assert completion.object == "chat.completion"
        assert (completion.choices[0].message.role, completion.choices[0].message.content) == ("assistant", "yes")
        assert completion.choices[0].finish_reason == "stop"
        assert completion.usage is not None
        assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (2, 3)
        assert completion.usage.total_tokens == 5
        assert (completion.model, completion.created > 1_700_000_000) == ("p:m", True)


def test_errors_have_the_fields_of_the_error_file_of_openai(web: TestClient, batch: Batch) -> None:
    found = lines(web, batch, "errors")
    assert [line["custom_id"] for line in found] == ["request-3", "request-4", "request-5"]
    for line in found:
        assert set(line) == LINE
        assert line["response"] is None
        assert set(line["error"]) == {"code", "message"}
        assert line["error"]["message"]
    assert [line["error"]["code"] for line in found] == ["model_key_refused", "invalid_line", "cancelled"]
    assert found[1]["error"]["message"] == "It asks for n = 2, which cannot be done here."


def test_a_spreadsheet_shows_csv_results_as_they_are_and_evaluates_nothing(web: TestClient, make: Make) -> None:
    ids = [*EVALUATED, *(f"ü-{n}" for n in range(len(ANSWERS)))]
    made = make(lines=[json.dumps({"custom_id": one, "prompt": "x"}) for one in ids])
    while runs := running(made) or (tick() and running(made)):
        for run in runs:
            end(run)
        tick()
    for item, answer in zip(Item.objects.filter(custom_id__startswith="ü").order_by("number"), ANSWERS, strict=True):
        Run.objects.filter(pk=item.run_id).update(answer=answer)
    got = web.get(f"/api/batches/{made.pk}/results/", params={"as": "csv"})
    assert got.headers["content-type"] == "text/csv; charset=utf-8"
    assert got.content.startswith(b"\xef\xbb\xbf")
    text = got.content.decode("utf-8-sig")
    assert not text.startswith("\ufeff"), "two marks"
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert [row[head.index("custom_id")].removeprefix("'") for row in rows] == ids
    cells = [row[head.index("answer")] for row in rows[len(EVALUATED) :]]
    assert [cell.removeprefix("'") for cell in cells] == list(ANSWERS)
    assert cells[0] == ANSWERS[0]
    for row in rows:
        for cell in row:
            assert not cell.lstrip().startswith(tuple("=+-@＝＋－＠")), cell
            assert not cell.startswith(("\t", "\r", "\n"))
