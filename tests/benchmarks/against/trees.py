"""Two trees to measure: this one, and a commit in a worktree with a virtual environment of its own."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.benchmarks.stack import ROOT

PR_SET_CHILD_SUBREAPER = 36
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_S = 60
"""A benchmark that is interrupted ends its system and drops its database."""
LAST_LINES = 20


class CannotMeasure(Exception):
    """A command of a tree failed; the message has its last lines."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Where a tree lies, and what to call it."""

    name: str
    root: Path


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Make each signal that asks us to end a KeyboardInterrupt, also where a script made us ignore Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Hold back what asks us to end while something is put away."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    """Yield a temporary folder; in the end no process that was started meanwhile is left, and no file."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)  # orphans become ours, wherever in the tree their parent was
    folder = Path(tempfile.mkdtemp(prefix="aiops-against-"))
    try:
        yield folder
    finally:
        with undisturbed():
            end_descendants()
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def worktree(commit: str, folder: Path) -> Iterator[Tree]:
    """Yield the commit's tree, installed; its worktree is removed in the end."""
    tree = Tree(_git("rev-parse", "--short", f"{commit}^{{commit}}"), folder / "tree")
    try:
        with undisturbed():  # git would leave a half-made worktree that cannot be pruned
            _git("worktree", "add", "--quiet", "--detach", str(tree.root), tree.name)
        python = getattr(sys, "_base_executable", sys.executable)
        run(["make", "--no-print-directory", ".venv/.test", f"PYTHON={python}"], tree, folder)
        yield tree
    finally:
        with undisturbed():
            end_descendants()
            if tree.root.exists():
                _git("worktree", "remove", "--force", str(tree.root))


def measure(tree: Tree, arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """Run the tree's own benchmarks and return what they wrote; raises CannotMeasure when they wrote nothing."""
    written = folder / "bench.json"
    written.unlink(missing_ok=True)
    command = [str(tree.root / ".venv/bin/python"), "-m", "tests.benchmarks", *arguments, "--json", str(written)]
    try:
        run(command, tree, folder)
    except CannotMeasure:
        if not written.exists():
            raise
    measured: dict[str, Any] = json.loads(written.read_text())
    return measured


def run(command: Sequence[str], tree: Tree, folder: Path) -> None:
    """Run a command in a tree; temporary files of all it starts lie in the folder. An interrupt is passed on."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen(
            command,
            cwd=tree.root,
            env={**_environment(), "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # the terminal's Ctrl-C reaches us alone
        )
        try:
            code = process.wait()
        except KeyboardInterrupt:
            with undisturbed():
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=GRACE_S)
            raise
        finally:
            end_descendants()
        if code:
            output.seek(0)
            words = "".join(output.readlines()[-LAST_LINES:])
            raise CannotMeasure(f"{' '.join(command[:3])} ended with exit code {code} in {tree.name}:\n{words}")


def end_descendants() -> None:
    """Kill all processes that descend from this one."""
    while found := psutil.Process().children(recursive=True):
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(found, timeout=10)


def _environment() -> dict[str, str]:
    """Return our environment without what would choose another Python or other packages than the tree's."""
    ours = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    return {name: value for name, value in os.environ.items() if name not in ours}


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise CannotMeasure(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
