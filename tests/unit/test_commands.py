"""What a command line cannot mean is said in one clear sentence; text fits the terminal's encoding."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from aiops.runs.cli import runs
from aiops.runs.states import State
from aiops.terminal import text
from aiops.terminal.types import MOMENT
from config.cli import run
from config.local import banner


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended and what it wrote."""

    code: int
    stdout: str
    stderr: str


Aiops = Callable[..., Done]

ONE_SENTENCE = [
    (("runs", "show", "nope"), "'nope' is not an id"),
    (("batch", "watch", "0199"), "'0199' is not an id"),
    (("schedule", "delete", "x"), "'x' is not an id"),
    (("webhooks", "redeliver", "x"), "'x' is not an id"),
    (("chat", "hello", "--conversation", "x"), "'x' is not an id"),
    (("chat", ""), "there is no message"),
    (("chat", "  \n "), "there is no message"),
    (("schedule", "add", "x"), "Say when: give one of --every"),
    (("schedule", "add", "x", "--every", "1h", "--cron", "* * * * *"), "Say when: give one of --every"),
    (("schedule", "add"), "Give either PROMPT or --batch."),
    (("schedule", "add", "x", "--at", "yesterday"), "write 2027-01-31"),
    (("schedule", "add", "x", "--every", "soon"), "write 90s, 15m, 6h or 1d"),
    (("batch", "run", "nothing.jsonl"), "does not exist"),
    (("batch", "run", "empty.jsonl"), "empty.jsonl is empty: write a prompt on each line"),
    (("batch", "run", "blank.csv"), "blank.csv is empty: write a prompt on each line"),
    (("nope",), "No such command 'nope'"),
    (("chat", "--modell"), "Did you mean '--model'? Help: aiops chat --help"),
    (("batch", "run"), "Missing argument 'FILE'. Help: aiops batch run --help"),
]


@pytest.fixture
def aiops(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Aiops:
    """The command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIOPS_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AIOPS_TOKEN", "x")
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["aiops", *arguments])
        with pytest.raises(SystemExit) as ended:
            run()
        return Done(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.mark.parametrize(("arguments", "said"), ONE_SENTENCE)
def test_a_command_line_that_makes_no_sense_is_answered_with_one_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path, aiops: Aiops
) -> None:
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "blank.csv").write_text("\n \n")
    done = aiops(*arguments)
    assert done.code in (1, 2)
    assert done.stderr.startswith("aiops: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert said in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("state", State)
def test_runs_of_every_state_can_be_listed(state: State) -> None:
    class Api:
        def get(self, path: str, **params: object) -> dict[str, list[object]]:
            assert (path, params["state"]) == ("/api/runs/", state)
            return {"results": []}

    assert CliRunner().invoke(runs, ["list", "--state", state.value], obj=lambda url: Api()).exit_code == 0


@pytest.mark.parametrize("arguments", [(), ("runs",), ("batch", "--help")])
def test_a_group_without_a_command_shows_its_help(arguments: tuple[str, ...], aiops: Aiops) -> None:
    done = aiops(*arguments)
    assert (done.stdout + done.stderr).startswith("Usage: ")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2027-01-31", datetime(2027, 1, 31).astimezone()),
        ("2027-01-31T07:00", datetime(2027, 1, 31, 7).astimezone()),
        ("2027-01-31 07:00:30", datetime(2027, 1, 31, 7, 0, 30).astimezone()),
        ("2027-01-31T07:00Z", datetime(2027, 1, 31, 7, tzinfo=UTC)),
        ("2027-01-31T07:00+05:30", datetime(2027, 1, 31, 7, tzinfo=timezone(timedelta(hours=5, minutes=30)))),
    ],
)
def test_a_time_may_be_a_day_or_a_minute_with_or_without_an_offset(written: str, meant: datetime) -> None:
    assert MOMENT.convert(written, None, None) == meant


@pytest.mark.parametrize("written", ["yesterday", "", "2027-13-01", "2027-01-31T25:00", "0001-01-01", "1e9", "%Y"])
def test_a_text_that_is_no_time_is_reported_without_format_codes(written: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time: write 2027-01-31") as caught:
        MOMENT.convert(written, None, None)
    assert "%d" not in caught.value.message


def test_an_encoding_without_our_characters_gets_plain_ones() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    text.use_utf8(stream)
    stream.write("→ host · load ✓ Grüße Łódź ☃ …")
    stream.flush()
    assert raw.getvalue().decode("latin-1") == "-> host · load ok Grüße ?ódz ? ..."


def test_a_utf_8_terminal_is_left_alone() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
    text.use_utf8(stream, io.StringIO())
    assert (stream.encoding, stream.errors) == ("utf-8", "strict")


@pytest.mark.parametrize("name", ["plain", "with space", 'a"b', "it's", "a#b", "zürich"])
@pytest.mark.parametrize("on_path", [True, False])
def test_the_banners_command_works_from_any_folder(
    tmp_path: Path, name: str, on_path: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / name / "bin" / "aiops"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s" "$AIOPS_HOME"\n')
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program.with_name("python3")))
    path = f"{program.parent}:{os.environ['PATH']}" if on_path else "/usr/bin:/bin"
    monkeypatch.setenv("PATH", path)
    command = banner.command(tmp_path / name)
    assert (shlex.split(command)[-1] == "aiops") is on_path
    done = subprocess.run(["sh", "-c", command], cwd="/", capture_output=True, text=True, env={"PATH": path})
    assert done.stdout == str(tmp_path / name)


def test_another_program_of_this_name_on_path_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("ours", "theirs"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "aiops").touch(mode=0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "ours" / "python3"))
    monkeypatch.setenv("PATH", str(tmp_path / "theirs"))
    assert banner.command(tmp_path).endswith(str(tmp_path / "ours" / "aiops"))
