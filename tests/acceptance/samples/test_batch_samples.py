"""Files as other programs write them: through the API, the command line and the page they become the same batches."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from config.cli import main
from tests.acceptance.browser import CHROMIUM, DRIVER, PASSWORD, Page
from tests.acceptance.migrated import migrated
from tests.acceptance.samples.sampling import Outcome, as_options, check, outcome
from tests.acceptance.system import System
from tests.conftest import missing
from tests.samples import batches
from tests.samples.batches import REASON, Sample

SAMPLES = batches.read()
AT_ONCE = 3
"""Commands that run at the same time: each mostly waits."""
BY_HAND = (
    ("excel-german.csv", 0),
    ("jira-all-fields.csv", 0),
    ("glpi-10.csv", 0),
    ("routing.csv", 0),
    ("openai.jsonl", 0),
    ("openai.jsonl", 1),
    ("openai-mixed.jsonl", 0),
    ("powershell-redirect.jsonl", 0),
    ("list.json", 0),
)
"""What the page sends, by file and place among the file's samples: filling in its form takes seconds, so one of each
kind that it handles in its own way: an encoding with a template and a column of ids, a file that is refused, columns
that are found in UTF-8, a column of models, the offer to ignore models and what happens without it, invalid lines that
are skipped, UTF-16, and a list. The server reads all files alike, whoever sends them."""

USES = {"custom_id": "id of the line", "model": "model"}
"""How the preview names the use of a column."""


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system without a model, which takes all samples at once."""
    made = System(migrated(tmp_path_factory.mktemp("samples") / "home"), AIOPS_MAX_BATCHES="500").start()
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.fixture(scope="module")
def client(offline: System) -> Iterator[httpx.Client]:
    with offline.client() as made:
        yield made


@pytest.fixture(scope="module")
def by_api(offline: System, client: httpx.Client) -> dict[str, httpx.Response]:
    """The answers to all samples, sent one after the other before the first has ended."""
    return {
        str(sample): client.post(
            "/api/batches/",
            files={"file": (sample.file, sample.path.read_bytes())},
            data={"options": json.dumps(sample.options)},
        )
        for sample in SAMPLES
    }


@pytest.fixture(scope="module")
def by_command(offline: System) -> dict[str, tuple[int, str, str]]:
    """Exit code, standard error and results of ``aiops batch run`` with each sample."""
    results = offline.home.parent / "results"
    results.mkdir()

    outs = [results / f"{number}.jsonl" for number in range(len(SAMPLES))]
    commands = [
        ("batch", "run", str(sample.path), *as_options(sample), "--out", str(out))
        for sample, out in zip(SAMPLES, outs, strict=True)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, context, initializer=live_in, initargs=(offline.env, results)) as processes:
        done = list(processes.map(command, commands))
    written = [out.read_text() if out.exists() else "" for out in outs]
    return {str(sample): (*one, text) for sample, one, text in zip(SAMPLES, done, written, strict=True)}


def live_in(env: dict[str, str], folder: Path) -> None:
    """Give a process that runs commands one after the other their environment: each start takes a second."""
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)


def command(arguments: Sequence[str]) -> tuple[int, str]:
    """Run ``aiops`` in this process; return its exit code and standard error."""
    done = CliRunner().invoke(main, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stderr


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_api_does_with_a_file_what_its_table_says(
    offline: System, client: httpx.Client, by_api: dict[str, httpx.Response], sample: Sample
) -> None:
    answer = by_api[str(sample)]
    if answer.status_code == 202:
        check(sample, outcome(offline, client, answer.json()["id"]))
        return
    assert answer.status_code == 400
    check(sample, Outcome(str(answer.json()["errors"])))


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_the_command_line_does_with_a_file_what_its_table_says(
    offline: System, client: httpx.Client, by_command: dict[str, tuple[int, str, str]], sample: Sample
) -> None:
    code, said, written = by_command[str(sample)]
    accepted = re.match(r"Batch (\S+)", said)
    found = outcome(offline, client, accepted[1], said=said) if accepted else Outcome(said)
    check(sample, found)
    everything = [name for name, _ in sample.expected_at_doors()]
    assert code == (0 if found.answered == everything != [] else 1)
    assert [json.loads(line)["custom_id"] for line in written.split("\n") if line] == found.answered
    assert sample.at_doors.get("", sample.refused) in said


@pytest.fixture(scope="module")
def page(offline: System) -> Iterator[Page]:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    find = "from aiops.people.models import User; u = User.objects.get(username='admin')"
    offline.manage(f"{find}; u.set_password('{PASSWORD}'); u.save()")
    made = Page(offline).sign_in()
    yield made
    made.close()


@pytest.mark.parametrize(("file", "place"), BY_HAND)
def test_the_page_does_with_a_file_what_its_table_says(
    offline: System, client: httpx.Client, page: Page, file: str, place: int
) -> None:
    sample = [one for one in SAMPLES if one.file == file][place]
    fill_in(page, sample)
    page.one("#batch-form button[type=submit]").click()
    if reason := sample.at_doors.get(""):
        page.until(lambda: page.text("#batch-problem"), "the reason")
        check(sample, Outcome(page.text("#batch-problem")))
        assert page.all("#preview input[name=ignore_model]"), "no offer to send all lines to the chosen model"
        assert reason in page.text("#batch-problem")
        return
    if sample.refused or not sample.valid:
        page.until(lambda: page.text("#batch-problem"), "the reason")
        assert (sample.refused or "invalid, see above") in page.text("#batch-problem")
        assert page.driver.current_url.endswith("/batches/"), "it was sent"
        return
    page.until(lambda: page.all("#state") and page.text("#state") in ("Completed", "Failed"), "the end", within_s=60)
    found = outcome(offline, client, Path(page.driver.current_url).name, said=page.text("#batch-problem"))
    check(sample, found)
    lines = [(name, text.removeprefix(REASON)) for name, text in sample.expected_at_doors()]
    page.until(lambda: len(page.texts("#items td.id")) == len(lines), "the lines")
    assert page.texts("#items td.id") == [name for name, _ in lines]
    shown = [" ".join(text.split()) for text in page.texts("#items tbody tr")]
    assert [text for row, (_, text) in zip(shown, lines, strict=True) if " ".join(text.split()) not in row] == []


def fill_in(page: Page, sample: Sample) -> None:
    """Choose the file in the form and set the sample's options as a person does."""
    page.open("/batches/")
    if not page.driver.execute_script("return document.getElementById('new-batch').open"):
        page.one("#new-batch summary").click()
    if encoding := sample.options.get("encoding"):
        Select(page.one("select[name=encoding]")).select_by_value(encoding)
    if policy := sample.options.get("policy"):
        Select(page.one("select[name=policy]")).select_by_value(policy)
    if template := sample.options.get("template"):
        page.one("textarea[name=template]").send_keys(template, Keys.TAB)  # its change is seen before the file's
    page.one("input[name=file]").send_keys(str(sample.path))
    page.until(lambda: page.text("#preview"), "the preview")
    for use, column in sample.options.get("columns", {}).items():
        if sample.refused:
            continue  # there are no columns to choose
        name = f"select[name=column_{use}]"
        page.until(lambda name=name: page.all(name), "the choice of columns")
        Select(page.one(name)).select_by_visible_text(column)
        shown = f"{column} ({USES[use]}"
        page.until(lambda shown=shown: shown in page.text("#preview"), "the preview with the column")
    if sample.options.get("ignore_model"):
        page.until(lambda: page.all("#preview input[name=ignore_model]"), "the offer").__getitem__(0).click()
