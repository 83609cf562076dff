"""What docs/batch-files.md and the README show of files that people already have, works."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.system import BIN, System
from tests.conftest import program

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/batch-files.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```(?:\n\n```text\n(.*?)```)?", PAGE, re.DOTALL)
"""(commands, lines that they print) in the order of the page; later ones use the files of earlier ones."""
README = re.findall(r"`(aiops batch run [^`]+)`", " ".join((ROOT / "README.md").read_text().split()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a reader tries everything."""
    return tmp_path_factory.mktemp("files")


def run(system: System, folder: Path, block: str) -> subprocess.CompletedProcess[str]:
    environment = {**system.env, "AIOPS_URL": system.url, "AIOPS_TOKEN": system.token}
    environment["PATH"] = f"{BIN}:{environment['PATH']}"
    return subprocess.run(
        ["bash", "-c", f"set -e\n{block}"], cwd=folder, env=environment, capture_output=True, text=True, timeout=90
    )


@pytest.mark.parametrize(("block", "printed"), BLOCKS, ids=range(len(BLOCKS)))
def test_every_command_of_the_page_works_as_it_is_written(
    plain: System, folder: Path, block: str, printed: str
) -> None:
    for name, package in {"curl": "curl", "iconv": "libc-bin"}.items():
        if re.search(rf"\b{name}\b", block):
            program(name, package=package)
    done = run(plain, folder, block)
    said = done.stdout + done.stderr
    if printed:
        assert [line for line in printed.splitlines() if line not in said] == []
    else:
        assert done.returncode == 0, said


def test_the_commands_of_the_page_left_what_it_says(folder: Path) -> None:
    output = [json.loads(line) for line in (folder / "output.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in output] == ["request-1", "request-2"]
    assert {line["response"]["body"]["object"] for line in output} == {"chat.completion"}
    answers = (folder / "answers.csv").read_bytes()
    assert answers.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(answers.decode("utf-8-sig").splitlines()))
    assert [row["custom_id"] for row in rows if row["state"] == "succeeded"] == ["INC0010023", "INC0010024"]


def test_the_readme_shows_a_file_for_openai_and_an_export_of_excel_and_both_work(plain: System, folder: Path) -> None:
    assert [command.split()[3] for command in README] == ["requests.jsonl", "tickets.csv"]
    for command in README:
        done = run(plain, folder, command)
        assert done.returncode == 0, done.stderr
        assert "The batch is completed: 2 succeeded." in done.stderr
