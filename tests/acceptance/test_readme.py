"""What the README shows, works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import psutil
import pytest

from config import env
from tests.acceptance.system import BIN, System
from tests.conftest import program

README = (Path(__file__).parents[2] / "README.md").read_text()
TASKS = re.findall(
    r"\*\*(.+?)\*\*.*?```sh\n(.*?)```", README.partition("## Five-minute tasks")[2].partition("\n## ")[0], re.DOTALL
)
VARIABLES = README.partition("## Five-minute tasks")[2].partition("```sh\n")[2].partition("```")[0]


def test_the_first_message_is_answered_as_it_is_written(plain: System, tmp_path: Path) -> None:
    (tmp_path / ".aiops").symlink_to(plain.home)
    (tmp_path / ".venv").symlink_to(BIN.parent)
    (block,) = re.findall(r"```sh\n(.*?)```", README.partition("## Five-minute tasks")[0], re.DOTALL)
    environment = {
        name: value for name, value in plain.env.items() if name not in ("AIOPS_HOME", "AIOPS_TOKEN", "AIOPS_URL")
    }
    done = subprocess.run(
        ["bash", "-c", f"set -e\n{block}"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| Pid | Name |" in done.stdout


def test_the_first_task_begins_within_two_screens() -> None:
    before, _, _ = README.partition(f"**{TASKS[1][0]}**")
    assert sum(max(1, -(-len(line) // 120)) for line in before.splitlines()) < 60


def test_the_readme_has_seven_tasks() -> None:
    assert len(TASKS) == 7


def test_every_task_works_as_it_is_written(plain: System, tmp_path: Path) -> None:
    program("curl", package="curl")
    (tmp_path / ".aiops").symlink_to(plain.home)
    (tmp_path / ".venv").symlink_to(BIN.parent)
    script = f"set -e\n{VARIABLES}\n" + "\n".join(f"echo '=== {name}'\n{block}\necho" for name, block in TASKS)
    environment = {name: value for name, value in plain.env.items() if name not in ("AIOPS_HOME", "AIOPS_TOKEN")}
    journal = tmp_path / "programs" / "journalctl"  # not every machine has one, or nginx in it
    journal.parent.mkdir()
    journal.write_text('#!/bin/sh\necho "$0 $*: connect() failed (111: Connection refused)"\n')
    journal.chmod(0o700)
    environment["PATH"] = f"{journal.parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[:2] for row in plain.rows("SELECT name, text FROM attachments_attachment ORDER BY id")][-1] == (
        "stdin",
        f"{journal} -u nginx: connect() failed (111: Connection refused)\n",
    )
    parts = {p.split("\n")[0]: p for p in done.stdout.split("=== ")[1:]}
    assert "| Pid | Name |" in parts["Ask from the terminal."]
    assert '"state":"succeeded"' in parts["Ask through the API"]
    assert "event: run.succeeded" in parts["Watch a run"]
    assert "The batch is completed: 2 succeeded." in done.stderr
    assert "ok    queue runs" in parts["See what is running"]
    assert '"scope":"read"' in parts["Create a read-only token"]


def test_tools_are_added_as_it_is_written(plain: System, tmp_path: Path) -> None:
    (tmp_path / ".aiops").symlink_to(plain.home)
    (block,) = re.findall(r"```sh\n(.*?)```", README.partition("## Add tools")[2].partition("\n## ")[0], re.DOTALL)
    environment = {name: value for name, value in plain.env.items() if name != "AIOPS_HOME"}
    environment |= {"PATH": f"{BIN}:{plain.env['PATH']}", "HOME": str(tmp_path)}
    (tmp_path / ".cursor").mkdir()
    (tmp_path / ".cursor" / "mcp.json").write_text('{"mcpServers": {"docs": {"url": "https://docs.example.org/mcp"}}}')
    script = f"set -e\n{block}\naiops tools remove netbox"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "netbox\tunknown" in done.stdout
    assert "host\thealthy" in done.stdout
    assert "docs" in done.stdout


def test_a_model_is_added_as_it_is_written(plain: System, tmp_path: Path) -> None:
    (tmp_path / ".aiops").symlink_to(plain.home)
    part = README.partition("## Add a language model")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    environment = {name: value for name, value in plain.env.items() if name != "AIOPS_HOME"}
    environment |= {"PATH": f"{BIN}:{plain.env['PATH']}"}
    undo = "aiops models set gpt-4o is_default=false; aiops models remove gpt-4o; aiops providers remove openai"
    script = f"set -e\n{block}\naiops models list\n{undo}\naiops secrets remove openai"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90, input="key\n"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gpt-4o\topenai\tdefault" in done.stdout


@pytest.mark.parametrize("block", re.findall(r"```ini\n(.*?)```", README, re.DOTALL))
def test_every_setting_that_is_shown_is_one(block: str) -> None:
    pairs = dict(line.split("=", 1) for line in block.splitlines() if "=" in line and not line.startswith("#"))
    assert env.read(pairs)


def test_the_first_answer_is_about_this_machine(plain: System) -> None:
    before = {str(process.pid) for process in psutil.process_iter()}
    run = plain.ended(plain.ask("what uses the most memory?")["run"]["id"])
    assert [(s["server"], s["tool"], s["status"]) for s in run["steps"]] == [("host", "top_processes", "ok")]
    shown = re.findall(r"^\| (\d+) \|", run["answer"], re.MULTILINE)
    assert len(shown) == 10
    assert len(before.intersection(shown)) >= 5, "they are no processes of this machine"
    assert re.search(r"\*\*Host\*\*: \S+", run["answer"])
    assert re.search(r"\*\*Read at\*\*: 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC", run["answer"])
    assert "model" not in run["answer"], "the page says once that none is configured"
