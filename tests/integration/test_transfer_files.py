"""CSV files of rows: what people's programs save is read, what is wrong is named by row and column, nothing is half."""

from __future__ import annotations

import csv
import io
import threading
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.changes import recording
from aiops.llm.models import LLMModel
from aiops.secrets.models import Secret
from aiops.system_prompts.models import SystemPrompt
from aiops.transfers import cells, jobs
from aiops.transfers.models import Transfer
from aiops.transfers.tables import tables
from tests.integration.administering import administrator
from tests.integration.llm.rows import model, provider
from tests.integration.transferring import START, exported, sent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser() -> Client:
    return administrator()


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_of_many_programs_are_read(browser: Client, mark: bytes, ending: str, delimiter: str) -> None:
    provider("cloud", "openai")
    text = io.StringIO()
    rows = csv.writer(text, delimiter=delimiter, lineterminator=ending)
    rows.writerows([["name", "provider", "temperature", "description"], ["a", "cloud", "0.5", "Zürich; a, b"], []])
    rows.writerow(["b", "cloud", "", "two\nlines"])
    done = sent(browser, mark + text.getvalue().encode(), reason="From a file")
    assert (done.state, done.outcome, done.problems) == ("done", {"added": 2}, [])
    first, second = LLMModel.objects.all()
    assert (first.temperature, first.description, second.description) == (0.5, "Zürich; a, b", "two\nlines")
    entry = recording.of(first).last()
    assert (entry.actor.username, entry.additional_data) == ("root", {"reason": "From a file"})


def test_a_blank_cell_leaves_a_field_and_null_empties_it(browser: Client) -> None:
    kept, emptied = model("kept", temperature=0.5), model("emptied", temperature=0.5)
    done = sent(browser, b'name,temperature,tags\nkept,,"[""a""]"\nemptied,null,\n')
    assert (done.state, done.outcome) == ("done", {"changed": 2})
    kept.refresh_from_db()
    emptied.refresh_from_db()
    assert (kept.temperature, kept.tags, emptied.temperature) == (0.5, ["a"], None)


@pytest.mark.parametrize(
    ("data", "row", "column", "why"),
    [
        (b"name,colour\na,red\n", 1, "", "There is no column 'colour'"),
        (b"provider\ncloud\n", 1, "", "The column 'name' is missing"),
        (b"name,name\na,a\n", 1, "", "there twice"),
        (b"", 0, "", ""),
        (b"\n\n", 1, "", "The file is empty"),
        (b"name,provider\n\xe4,cloud\n", 1, "", "The file is not UTF-8"),
        (b'name,provider\na,"cloud\n', 2, "", "no CSV here"),
        (b"name,provider\na,cloud,x\n", 2, "", "It has 3 cells"),
        (b"name,provider\n,cloud\n", 2, "name", "blank"),
        (b"name,provider\na,cloud\na,cloud\n", 3, "", "Row 2 has the same name"),
        (b"name,provider\na,nobody\n", 2, "provider", "There is no 'nobody'"),
        (b"name,provider\n\na,cloud\nb,nobody\n", 4, "provider", "There is no 'nobody'"),
        (b"name,provider,temperature\na,cloud,warm\n", 2, "temperature", "Not a number"),
        (b'name,provider,temperature\na,cloud,"0,5"\n', 2, "temperature", "Not a number"),
        (b"name,provider,is_enabled\na,cloud,maybe\n", 2, "is_enabled", "Not true or false"),
        (b"name,provider,model_config\na,cloud,{\n", 2, "model_config", "Not JSON"),
        (b'name,provider,model_config\na,cloud,"{""top_p"": 7}"\n', 2, "model_config", "top_p"),
        (b"name,provider,price_in\na,cloud,dear\n", 2, "price_in", "number"),
        (b"name,description\na,new\n", 2, "provider", "required"),
        (b'name,provider,model_config\na,cloud,"{""a"": ""\\u0000""}"\n', 2, "model_config", "NUL"),
        (b"name,provider,model_config\na,cloud," + b"[" * 2_000 + b"\n", 2, "model_config", "nested deeper"),
        (
            b'name,provider,advanced_model,advanced_patterns\na,cloud,b,"[""(""]"\nb,cloud,,\n',
            2,
            "advanced_patterns",
            "(",
        ),
        (b"name,provider,advanced_model\na,cloud,a\n", 2, "advanced_model", "'a'"),
        (b'name,provider,fallbacks\na,cloud,"[""b"", ""nobody""]"\nb,cloud,\n', 2, "fallbacks", "'nobody'"),
    ],
)
def test_what_is_wrong_is_named_by_row_and_column(
    browser: Client, data: bytes, row: int, column: str, why: str
) -> None:
    provider("cloud", "openai")
    if not data:  # a browser sends no empty file
        page = browser.post(f"{START}import/?table=llm-models", {"file": SimpleUploadedFile("rows.csv", b"")})
        assert "empty" in page.content.decode()
        return
    done = sent(browser, data)
    assert (done.state, done.outcome) == ("failed", {})
    problem = done.problems[0]
    assert (problem["row"], problem["column"], why in problem["text"]) == (row, column, True), done.problems
    assert not LLMModel.objects.exists(), "a good row beside a bad one is not imported"
    page = browser.get(f"{START}{done.pk}/change/").content.decode()
    assert "nothing was changed" in page


def test_what_is_exported_is_imported_unchanged(browser: Client) -> None:
    cloud = provider(
        "cloud", "openai", tags=["b"], description="=HYPERLINK()", config_schema={"base_url": "https://x.y"}
    )
    key = Secret.objects.create(name="key", kind="env", reference="AIOPS_SECRET_X")
    prompt = SystemPrompt.objects.create(name="night", prompt_text="-- You are\n{model_name}\n", status="approved")
    big = model("big", cloud, description="'=1+1", temperature=0, price_in="2.5", price_out="0")
    small = model(
        "small",
        cloud,
        model_secret_key=key,
        system_prompt=prompt,
        advanced_model=big,
        advanced_patterns=["^-deep"],
        model_config={"top_p": 0.5},
        limits={"concurrency": 3},
        is_default=True,
        description="@home",
    )
    LLMMiddleware.objects.create(
        llm_model=small, middleware=MiddlewareType.objects.get(name="CacheMiddleware"), config={"ttl_s": 60}
    )
    files = {table.path: exported(browser, table.path) for table in tables()}
    assert b"\r\n" in files["llm-models"]
    for path, data in files.items():
        done = sent(browser, data, path)
        assert (done.state, done.problems) == ("done", []), path
        assert set(done.outcome) <= {"unchanged"}, path
    assert files["llm-providers"].decode("utf-8-sig").count("'=HYPERLINK") == 1, "no spreadsheet runs it"
    # Into empty tables, all come back as they were.
    for table in (LLMMiddleware, LLMModel, SystemPrompt, Secret):
        table.objects.update(**({"advanced_model": None} if table is LLMModel else {}))
        table.objects.all().delete()
    cloud.delete()
    for path in ("secrets", "system-prompts", "llm-providers", "llm-models", "llm-middleware"):
        done = sent(browser, files[path], path)
        assert (done.state, done.problems) == ("done", []), (path, done.problems)
    assert {path: exported(browser, path) for path in files} == files


def test_everything_that_is_wrong_is_named_at_once(browser: Client) -> None:
    provider("cloud", "openai")
    header = b"name,provider,temperature,price_in,system_prompt\n"
    done = sent(browser, header + b"a,cloud,warm,cheap,\nb,nobody,0.5,,none\nc,cloud,9,,\n")
    assert sorted((one["row"], one["column"]) for one in done.problems) == [
        (2, "price_in"),
        (2, "temperature"),
        (3, "provider"),
        (3, "system_prompt"),
        (4, "temperature"),
    ]


def test_null_zero_and_names_like_numbers_are_told_apart(browser: Client) -> None:
    zero = model("zero", temperature=0, description="7", price_in="2.5")
    done = sent(browser, b"name,temperature,description,price_in\nzero,null,007,2.50\n")
    zero.refresh_from_db()
    assert (done.outcome, zero.temperature, zero.description) == ({"changed": 1}, None, "007")
    assert sent(browser, b"name,price_in\nzero,2.50\n").outcome == {"unchanged": 1}


def test_a_file_of_more_rows_than_are_read_at_once_comes_out_while_others_write(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = provider("cloud", "openai")
    LLMModel.objects.bulk_create(LLMModel(name=f"m{n:04}", provider=cloud) for n in range(1_200))
    real = jobs._write

    def write(transfer: Transfer, **fields: Any) -> None:
        elsewhere = threading.Thread(target=_written)
        elsewhere.start()
        elsewhere.join()
        real(transfer, **fields)

    monkeypatch.setattr(jobs, "_write", write)
    assert exported(browser).count(b"\r\n") == 1_201


def _written() -> None:
    LLMModel.objects.filter(name="m0001").update(description="x")
    connections.close_all()


def test_rows_may_refer_to_rows_below_them(browser: Client) -> None:
    provider("cloud", "openai")
    data = b'name,provider,advanced_model,fallbacks\na,cloud,b,"[""c""]"\nb,cloud,,\nc,cloud,,\n'
    done = sent(browser, data)
    assert (done.state, done.outcome, done.problems) == ("done", {"added": 3}, [])
    first = LLMModel.objects.get(name="a")
    assert (first.advanced_model.name, [one.fallback.name for one in first.fallback_rows.all()]) == ("b", ["c"])


def test_a_file_moves_the_default(browser: Client) -> None:
    model("a", is_default=True)
    model("b")
    assert sent(browser, b"name,is_default\na,false\nb,true\n").outcome == {"changed": 2}
    assert [row.name for row in LLMModel.objects.filter(is_default=True)] == ["b"]


@given(st.text(alphabet="'=+-@a\t\r", max_size=6))
def test_a_cell_is_read_as_it_was_written(text: str) -> None:
    field = next(table.columns["description"] for table in tables() if "description" in table.columns)
    shown = cells.written(text)
    assert shown[:1] not in ("=", "+", "-", "@", "\t", "\r")
    assert (cells.read(shown, field) if shown else "") == text
