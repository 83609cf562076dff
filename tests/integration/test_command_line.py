"""The command line as a process of its own: locales and encodings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def aiops(*arguments: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    known = {"PATH": os.environ["PATH"], "AIOPS_URL": "http://127.0.0.1:1", "AIOPS_TOKEN": "x"}
    return subprocess.run(
        [sys.executable, "-m", "config.cli", *arguments],
        env={**known, "PYTHONPATH": str(Path(__file__).parents[2]), **env},
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_a_locale_without_an_encoding_gets_utf_8(locale: str, tmp_path: Path) -> None:
    done = aiops(
        "chat", "→ ·", "--url", "http://ü", folder=tmp_path, LC_ALL=locale, PYTHONUTF8="0", PYTHONCOERCECLOCALE="0"
    )
    assert "\\x" not in done.stderr
    assert "ü" in done.stderr


def test_arguments_are_utf_8_in_every_locale(tmp_path: Path) -> None:
    code = "import sys; from aiops.terminal.text import written; print(ascii(written(sys.argv[1])))"
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, "grüße ☃".encode()], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == ascii("grüße ☃"), done.stderr
