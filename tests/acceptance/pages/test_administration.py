"""The administration of models in a browser: a file goes in through a worker, its result is shown, many are changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open
from tests.acceptance.system import System

MODELS = "/admin/llm/llmmodel/"
CHOOSE = """
for (const box of document.querySelectorAll('input.action-select')) box.checked = true;
const form = document.getElementById('changelist-form'), named = document.createElement('input');
form.querySelectorAll('[name=action]').forEach((one) => one.remove());
named.name = 'action';
named.value = arguments[0];
form.append(named);
form.submit();
"""
"""Chooses all rows and an action; the administration's own list of actions opens by a script of its own."""


@pytest.fixture(autouse=True)
def _tidy(system: System) -> Iterator[None]:
    yield
    with system.client() as client:
        for path in ("/api/llm-models/", "/api/llm-providers/"):
            for row in client.get(path).json()["results"]:
                if row["name"].startswith("pages-"):
                    client.delete(f"{path}{row['id']}/").raise_for_status()


def upload(page: Page, file: Path, text: str) -> None:
    file.write_text(text)
    page.open(MODELS)
    page.driver.execute_script("document.querySelector('a[href*=\"transfers/transfer/import\"]').click()")
    page.until(lambda: "Columns:" in page.text("#content"), "the form of the import")
    page.one("[name=file]").send_keys(str(file))
    page.one("#content form button").click()


def test_a_file_is_imported_by_a_worker_changed_at_once_and_exported(
    browse: Open, system: System, tmp_path: Path
) -> None:
    with system.client() as client:
        client.post("/api/llm-providers/", json={"name": "pages-cloud", "handler": "openai"}).raise_for_status()
    page = browse(width=1440)
    bad = "name,provider,temperature\npages-a,pages-cloud,warm\npages-b,pages-nobody,0.5\n"
    upload(page, tmp_path / "bad.csv", bad)
    page.until(lambda: "nothing was changed" in page.text("#content"), "what is wrong", within_s=60)
    assert page.texts("#content tbody td") == [
        *("2", "temperature", "Not a number, such as 0.5."),
        *("3", "provider", "There is no 'pages-nobody'."),
    ]
    upload(
        page, tmp_path / "good.csv", "name;provider;temperature\r\npages-a;pages-cloud;0.5\r\npages-b;pages-cloud;\r\n"
    )
    page.until(lambda: "2 added" in page.text("#content"), "the result", within_s=60)

    page.open(MODELS)
    page.driver.execute_script(CHOOSE, "bulk_edit")
    page.until(lambda: "2 rows are to be changed: pages-a, pages-b" in page.text("#content"), "the form")
    page.one("[name=empty_temperature]").click()
    page.one("[name=reason]").send_keys("Let the provider decide")
    page.one("#content form button[type=submit]").click()
    page.until(lambda: "2 changed." in page.text("body"), "the change")
    with system.client() as client:
        rows = client.get("/api/llm-models/?search=pages-").json()["results"]
        assert [row["temperature"] for row in rows] == [None, None]
        (last, *_) = client.get(f"/api/llm-models/{rows[0]['id']}/history/").json()["results"]
        assert (last["reason"], last["actor"]) == ("Let the provider decide", "admin")

    page.driver.execute_script("document.querySelector('form[action*=\"transfers/transfer/export\"]').submit()")
    page.until(lambda: "2 exported" in page.text("#content"), "the file", within_s=60)
    assert "Save llm-models-" in page.text("#content")
    assert page.errors() == []
