"""Batches by the command line and on their page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.batching import lines
from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.system import System
from tests.conftest import missing


def test_the_command_line_runs_a_file_and_writes_the_answers(system: System, tmp_path: Path) -> None:
    file, out = tmp_path / "prompts.jsonl", tmp_path / "results.jsonl"
    file.write_text(lines(5))
    done = system.cli("batch", "run", str(file), "--out", str(out), "--name", "from the shell")
    assert done.returncode == 0, done.stderr
    assert "5 succeeded" in done.stderr
    assert [json.loads(line)["custom_id"] for line in out.read_text().splitlines()] == [f"c{n}" for n in range(5)]
    batch_id = done.stderr.split()[1]
    assert batch_id in system.cli("batch", "list").stdout
    assert "completed" in system.cli("batch", "show", batch_id).stdout
    assert "cannot be cancelled" in system.cli("batch", "cancel", batch_id).stderr
    assert "deleted" in system.cli("batch", "delete", batch_id).stdout


def test_the_command_line_says_what_has_no_answer(system: System, tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(lines(1) + "nonsense\n")
    done = system.cli("batch", "run", str(file))
    assert done.returncode == 1
    assert "1 of 2 lines are invalid" in done.stderr
    batch_id = done.stderr.split()[1]
    assert "not JSON" in system.cli("batch", "results", batch_id, "--errors").stdout


@pytest.mark.parametrize(
    ("name", "content", "template", "reason"),
    [
        ("picture.jsonl", b"\x89PNG\r\n\x1a\n\x00\xff\xfe\xff", "", "line 1: The line is not UTF-8"),
        ("broken.jsonl", b'{"prompt": "hello"', "", "line 1: The line is not JSON: "),
        (
            "hosts.csv",
            b"host,log\nweb,full\n",
            "",
            "The file has no column 'prompt': give a template that makes prompts of its columns. It has: host, log.",
        ),
        (
            "hosts.csv",
            b"host,log\nweb,full\n",
            "Look at {{server}}.",
            "The file has no column 'server'. It has: host, log.",
        ),
    ],
    ids=["binary", "broken", "no template", "unknown column"],
)
def test_the_command_line_says_why_no_line_of_a_file_is_valid(
    system: System, tmp_path: Path, name: str, content: bytes, template: str, reason: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    done = system.cli("batch", "run", str(file), *(["--template", template] if template else []))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    batch_id = done.stderr.split()[1]
    shown = system.cli("batch", "show", batch_id)
    for said in (done.stderr, shown.stdout):
        assert reason in said
        assert ("No line is valid." in said) == reason.startswith("line 1")


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_the_batches_page_previews_a_file_sends_it_and_shows_the_answers(
    system: System, password: None, tmp_path: Path, width: int, dark: bool
) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    file = tmp_path / "hosts.csv"
    file.write_text('custom_id,host\na,"<img src=x onerror=alert(1)>"\nb,db\n')
    page = Page(system, width=width, dark=dark).sign_in()
    try:
        page.open("/batches/")
        if not page.driver.execute_script("return document.getElementById('new-batch').open"):
            page.one("#new-batch summary").click()
        page.one("input[name=file]").send_keys(str(file))
        page.until(lambda: "has no column 'prompt'" in page.text("#preview"), "what is missing")
        page.one("textarea[name=template]").send_keys("Look at {{host}}")
        page.until(lambda: "2 lines of hosts.csv" in page.text("#preview"), "the preview")
        assert page.texts("#preview tbody td")[1] == "Look at <img src=x onerror=alert(1)>"
        page.one("input[name=name]").send_keys("By hand")
        page.one("#batch-form button[type=submit]").click()
        page.until(lambda: page.all("#state") and page.text("#state") == "Completed", "the end", within_s=30)
        assert page.text("h1") == "By hand"
        page.until(lambda: "Look at <img src=x onerror=alert(1)>" in page.texts("#items td.text"), "the lines")
        assert page.text("#done") == "2 of 2"
        wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.driver.execute_script(wide) <= 0
        assert page.errors() == []
    finally:
        page.close()
