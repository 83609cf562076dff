"""Comparing two trees leaves nothing behind: no process, no file, no worktree, also when it is interrupted."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.acceptance.system import eventually, exit_code

ROOT = Path(__file__).parents[2]
ORPHAN = (
    "import os, signal, sys, time; signal.signal(2, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(600)"
)
PARENT = f"""
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", {ORPHAN!r}], start_new_session=True).pid, flush=True)
time.sleep(PAUSE)
"""
CODE = """
import sys, time
from pathlib import Path
from tests.benchmarks.against import trees
try:
    with trees.interruptible(), trees.workshop() as folder:
        print(folder, flush=True)
        trees.run([sys.executable, "-c", sys.argv[1]], trees.Tree("this", Path.cwd()), folder)
        print("ended", flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
except trees.CannotMeasure as problem:
    print(problem, flush=True)
"""
WORKTREE = """
import tempfile
from pathlib import Path
from tests.benchmarks.against import trees
trees.ROOT = Path.cwd()
try:
    with trees.workshop() as folder, trees.worktree("HEAD", folder) as tree:
        print((tree.root / "Makefile").exists(), (tree.root / "installed").exists())
        print(trees.measure(tree, ["a"], folder))
except trees.CannotMeasure as problem:
    print("problem", problem)
"""


def start(pause_s: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CODE, PARENT.replace("PAUSE", str(pause_s))]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def the_orphan(folder: Path) -> psutil.Process:
    found = eventually(lambda: (folder / "output").exists() and (folder / "output").read_text().split())
    return psutil.Process(int(found[0]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupt_ends_all_that_was_started_and_removes_its_files(number: signal.Signals) -> None:
    with start(pause_s=600) as running:
        assert running.stdout is not None
        folder = Path(running.stdout.readline().strip())
        orphan = the_orphan(folder)
        running.send_signal(number)
        assert running.stdout.read() == "interrupted\n"
        assert exit_code(running) == 0
    assert not orphan.is_running()
    assert not folder.exists()


def test_processes_that_a_benchmark_left_behind_are_ended() -> None:
    with start(pause_s=0) as running:
        assert running.stdout is not None
        folder = Path(running.stdout.readline().strip())
        assert running.stdout.read() == "ended\n"
    assert not folder.exists()
    assert [p.pid for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [])[1:] == ["-c", ORPHAN]] == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A project whose installation and benchmarks are small."""
    made = tmp_path / "project"
    folder = made / "tests" / "benchmarks"
    folder.mkdir(parents=True)
    (made / "Makefile").write_text(
        f".venv/.test:\n\tmkdir -p .venv/bin && ln -s {sys.executable} .venv/bin/python && touch installed\n"
    )
    (folder / "__main__.py").write_text(
        "import json, sys\njson.dump({'rows': sys.argv[1:2]}, open(sys.argv[sys.argv.index('--json') + 1], 'w'))\n"
    )
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=made, check=True, capture_output=True)
    return made


def test_a_commit_is_installed_and_measured_in_a_worktree_that_is_gone_afterwards(repository: Path) -> None:
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", WORKTREE], cwd=repository, env=env, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["True True", "{'rows': ['a']}"], done.stderr
    left = subprocess.run(["git", "worktree", "list"], cwd=repository, capture_output=True, text=True).stdout
    assert len(left.splitlines()) == 1


def test_a_commit_that_cannot_be_installed_says_why_and_leaves_no_worktree(repository: Path) -> None:
    (repository / "Makefile").write_text(".venv/.test:\n\t@echo no wheels here; false\n")
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qam", "y"], cwd=repository, check=True
    )
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", WORKTREE], cwd=repository, env=env, capture_output=True, text=True)
    assert "no wheels here" in done.stdout, done.stderr
    left = subprocess.run(["git", "worktree", "list"], cwd=repository, capture_output=True, text=True).stdout
    assert len(left.splitlines()) == 1
