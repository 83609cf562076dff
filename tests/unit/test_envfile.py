"""``.env`` in any encoding that an editor writes is read, or refused with the line and the cure, by every command."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from pathlib import Path

import pytest

from config import env, envfile
from config.deployment import probing
from config.env import BadEnvironment
from config.envfile import Unreadable

ROOT = Path(__file__).parents[2]
LINES = "# Größe\nLLM_TYPE=ollama\nexport LLM_MODEL='a b'\n\nAIOPS_SECRET_A=\"x\ny\"\n"
READ = {"LLM_TYPE": "ollama", "LLM_MODEL": "a b", "AIOPS_SECRET_A": "x\ny"}
NOT_UTF8 = "is not UTF-8: save the file as UTF-8."
NO_ASSIGNMENT = "cannot be read: write NAME=value, with a quote on both sides of a value with spaces."
BAD: dict[str, tuple[bytes, str]] = {
    "Latin-1 comment": ("LLM_TYPE=canary\n# Schlüssel\n".encode("latin-1"), f"Line 2 {NOT_UTF8}"),
    "Latin-1 value, old Mac line ends": ("A=1\rB=canaré\r".encode("latin-1"), f"Line 2 {NOT_UTF8}"),
    "Latin-1, Windows line ends": ("A=1\r\nB=2\r\nC=canaré\r\n".encode("latin-1"), f"Line 3 {NOT_UTF8}"),
    "UTF-16 without BOM": ("A=canary\n".encode("utf-16-le"), "Line 1 has a NUL character: save the file as UTF-8."),
    "UTF-16 that is cut": (codecs.BOM_UTF16_LE + "A=1\nB=canary".encode("utf-16-le")[:-1], f"Line 2 {NOT_UTF8}"),
    "UTF-32": ("A=canary\n".encode("utf-32"), "Line 1 has a NUL character: save the file as UTF-8."),
    "a NUL": (b"A=1\nB=can\0ary\n", "Line 2 has a NUL character: save the file as UTF-8."),
    "YAML": (b"A=1\n\n\n  LLM_TYPE: canary\n", f"Line 4 {NO_ASSIGNMENT}"),
    "a name alone": (b"A=1\nCANARY\n", f"Line 2 {NO_ASSIGNMENT}"),
    "an exported name alone": (b"export CANARY\n", f"Line 1 {NO_ASSIGNMENT}"),
    "an open double quote": (b'A=1\nB="canary\n', f"Line 2 {NO_ASSIGNMENT}"),
    "an open single quote": (b"B='canary\nA=1\n", f"Line 1 {NO_ASSIGNMENT}"),
    "two open quotes": (
        b'A=0\nB="canary\nLLM_TYPE=x\nC="\n',
        "Line 2 cannot be read: its value goes on over another assignment; close its quote.",
    ),
    "words after a quote": (b'A="canary" b\n', f"Line 1 {NO_ASSIGNMENT}"),
    "a colon in a name": (b"LLM_TYPE:=canary\n", f"Line 1 {NO_ASSIGNMENT}"),
    "a space in a name": (b"LLM TYPE=canary\n", f"Line 1 {NO_ASSIGNMENT}"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AIOPS_HOME", *READ):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    "data",
    [
        LINES.encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        codecs.BOM_UTF16_LE + LINES.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"),
    ],
    ids=["UTF-8", "UTF-8 with BOM", "UTF-16 LE", "UTF-16 BE"],
)
def test_every_encoding_of_an_editor_is_read(folder: Path, data: bytes) -> None:
    (folder / ".env").write_bytes(data)
    assert envfile.read() == READ


def test_windows_line_ends_are_read(folder: Path) -> None:
    (folder / ".env").write_bytes(b"A=1\r\nB='2'\r\n")
    assert envfile.read() == {"A": "1", "B": "2"}


def test_without_a_file_there_are_no_variables(folder: Path) -> None:
    assert envfile.read() == {}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_refused_with_the_line_and_the_cure_and_no_value(folder: Path, kind: str) -> None:
    data, problem = BAD[kind]
    (folder / ".env").write_bytes(data)
    with pytest.raises(Unreadable) as refused:
        envfile.read()
    assert refused.value.problems == [f".env: {problem}"]
    with pytest.raises(BadEnvironment) as bad:
        env.read()
    assert bad.value.problems == [f".env: {problem}"]
    assert "can" + "ar" not in str(bad.value).lower()


def test_every_line_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / ".env").write_bytes(b"A: 1\nB=2\nC: 3\n")
    with pytest.raises(Unreadable) as refused:
        envfile.read()
    assert [problem[:13] for problem in refused.value.problems] == [".env: Line 1 ", ".env: Line 3 "]


def test_a_key_of_several_lines_is_a_value() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIC\nQUJD+/=\nQQ==\n-----END PRIVATE KEY-----"
    assert envfile.parse(f'A="{key}"\nB=1\n'.encode()) == ({"A": key, "B": "1"}, [])


def test_a_file_without_rights_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_bytes(b"A=1\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Unreadable, match=r"\.env cannot be read \(Permission denied\): correct its rights"):
        envfile.read()


def test_variables_above_and_of_the_environment_are_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "outer")
    monkeypatch.delenv("MISSING", raising=False)
    (folder / ".env").write_text("A=1\nB=${A}-${OUTER}-${MISSING}-${MISSING:-x}\n")
    assert envfile.read()["B"] == "1-outer--x"


def test_references_of_tool_servers_stay_references(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MISSING", raising=False)
    written = '{"x": {"url": "http://x", "headers": {"A": "Bearer ${AIOPS_SECRET_X} ${MISSING}"}}}'
    (folder / ".env").write_text(f"AIOPS_SECRET_X=canary\nAIOPS_TOOL_SERVERS={written}\n")
    assert envfile.read()["AIOPS_TOOL_SERVERS"] == written


def test_a_probe_says_what_is_wrong_with_the_file(folder: Path) -> None:
    (folder / ".env").write_bytes(b"AIOPS_HOME: canary\n")
    assert probing.problem("worker", port=1) == f".env: Line 1 {NO_ASSIGNMENT}"


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "config.cli", "up"],
        ["-m", "config.cli", "chat", "hello"],
        ["-m", "config.cli", "tools", "list"],
        ["-m", "config.cli", "doctor"],
        ["-m", "config.cli", "manage", "check"],
        ["-m", "config.cli", "logs"],
        ["-m", "config.cli", "probe", "beat"],
        ["-m", "config.cli", "env", "check", ".env"],
        ["-m", "celery", "-A", "config.celery", "worker"],
        ["-c", "import config.asgi"],
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_file_that_cannot_be_read_in_one_sentence(folder: Path, command: list[str]) -> None:
    (folder / ".env").write_bytes("# Schlüssel\nLLM_TYPE=canary\n".encode("latin-1"))
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], env=known, cwd=folder, capture_output=True, timeout=120)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 1, said
    assert f"Line 1 {NOT_UTF8}" in said
    assert "Traceback" not in said
    assert "canary" not in said
