"""References inside values: what is sent has the variables' values in it, and nothing else is ever sent."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from aiops.tool_servers import specs
from aiops.tool_servers.client import probe
from aiops.tool_servers.environment import BadToolServer, from_environment
from aiops.tool_servers.models import MCPServer
from tests.integration.tool_servers.rows import SETTINGS, add, lab

SAYS = "import json, os, sys; json.dump([dict(os.environ), os.getcwd()], open(sys.argv[1], 'w'))"


@pytest.fixture
def received() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A server's address, and the headers of each request that reached it."""
    headers: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers.append(dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", headers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_reference_in_the_middle_of_a_header_is_sent_as_its_value(
    received: tuple[str, list[dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOPS_SECRET_A", "canary-a")
    monkeypatch.setenv("AIOPS_SECRET_B", " canary-b\n")
    url, headers = received
    written = {"Authorization": "Bearer ${AIOPS_SECRET_A}", "X-Both": "${AIOPS_SECRET_A}:${AIOPS_SECRET_B}"}
    row = add(url=url, health_path="/health", headers={**written, "X-Whole": "env:AIOPS_SECRET_B"})
    (seen,) = probe.check([specs.of_row(row, SETTINGS)])
    assert seen.problem == ""
    assert [headers[0][name] for name in ("Authorization", "X-Both", "X-Whole")] == [
        "Bearer canary-a",
        "canary-a:canary-b",
        "canary-b",
    ]


def command(tmp_path: Path, **fields: Any) -> MCPServer:
    return add(protocol="stdio", url="", command=sys.executable, args=["-c", SAYS, str(tmp_path / "said")], **fields)


def test_a_reference_inside_a_variable_reaches_the_command_which_runs_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOPS_SECRET_A", "canary-a")
    folder = tmp_path / "folder"
    folder.mkdir()
    row = command(tmp_path, cwd=str(folder), env={"API_TOKEN": "Bearer ${AIOPS_SECRET_A}", "PLAIN": "a $HOME b"})
    probe.check([specs.of_row(row, SETTINGS)])
    env, cwd = json.loads((tmp_path / "said").read_text())
    assert (env["API_TOKEN"], env["PLAIN"], cwd) == ("Bearer canary-a", "a $HOME b", str(folder))
    assert "AIOPS_SECRET_A" not in env


def test_a_folder_that_is_missing_is_named_and_not_the_command(tmp_path: Path) -> None:
    row = command(tmp_path, cwd=str(tmp_path / "gone"))
    (seen,) = probe.check([specs.of_row(row, SETTINGS)])
    assert seen.problem == f"Its command cannot run in '{tmp_path / 'gone'}': make that folder, or correct its rights."


BAD_VALUES = [
    "Bearer env:AIOPS_SECRET_A",
    "Bearer ${TOKEN}",
    "Bearer ${env:AIOPS_SECRET_A}",
    "${AIOPS_SECRET_A} ${OTHER}",
    "${AIOPS_SECRET_A",
    "${aiops_secret_a}",
    "${AIOPS_SECRET_A} env:HOME",
    "$env:HOME ${AIOPS_SECRET_A}",
    "env:HOME",
    "env:AIOPS_SECRET_A b",
    "env:AIOPS_SECRET_KEY",
    "${AIOPS_SECRET_KEY}",
    "a ${AIOPS_SECRET_KEY_FALLBACKS}",
]


@pytest.mark.parametrize("value", BAD_VALUES)
@pytest.mark.parametrize("field", ["headers", "env"])
def test_any_other_reference_is_refused_in_rows_and_in_the_variable(
    field: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOPS_SECRET_A", "canary-a")
    stdio = {"protocol": "stdio", "url": "", "command": "sh"} if field == "env" else {}
    with pytest.raises(ValidationError) as refused:
        add(**{**stdio, field: {"X": value}})
    assert field in refused.value.message_dict
    row = add()
    MCPServer.objects.filter(pk=row.pk).update(**stdio, **{field: {"X": value}})  # written by raw SQL
    row.refresh_from_db()
    assert "Its row is wrong" in specs.of_row(row, SETTINGS).absent
    entry = {"command": "sh", "env": {"X": value}} if field == "env" else {"url": "http://x", "headers": {"X": value}}
    with pytest.raises(BadToolServer):
        from_environment(lab(tool_servers={"x": entry}))


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("headers", {"headers": {"X": "no reference"}}),
        ("args", {"protocol": "stdio", "url": "", "command": "sh", "args": ["--token", "env:AIOPS_SECRET_A"]}),
        ("args", {"protocol": "stdio", "url": "", "command": "sh", "args": ["--token=${AIOPS_SECRET_A}"]}),
        ("url", {"url": "https://x/${AIOPS_SECRET_A}"}),
        ("cwd", {"protocol": "stdio", "url": "", "command": "sh", "cwd": "relative"}),
        ("cwd", {"protocol": "stdio", "url": "", "command": "sh", "cwd": "/a\nb"}),
        ("cwd", {"cwd": "/srv"}),
    ],
)
def test_a_reference_where_none_is_replaced_and_a_folder_that_is_none_are_refused(
    field: str, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as refused:
        add(**fields)
    assert field in refused.value.message_dict


def test_references_in_the_variable_are_replaced_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIOPS_SECRET_A", "canary-a")
    http = {"url": "http://x", "headers": {"Authorization": "Bearer ${AIOPS_SECRET_A}"}}
    stdio = {"command": "sh", "env": {"T": "a ${AIOPS_SECRET_A}"}, "cwd": str(tmp_path)}
    one, two = from_environment(lab(tool_servers={"one": http, "two": stdio}))
    assert (one.headers, two.env, two.cwd) == (
        (("Authorization", "Bearer canary-a"),),
        (("T", "a canary-a"),),
        str(tmp_path),
    )


def test_a_missing_variable_and_one_that_no_header_can_carry_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    row = add(headers={"Authorization": "Bearer ${AIOPS_SECRET_NOT_THERE}"})
    assert "AIOPS_SECRET_NOT_THERE is not set" in specs.of_row(row, SETTINGS).absent
    monkeypatch.setenv("AIOPS_SECRET_NOT_THERE", "canary\nb")
    absent = specs.of_row(row, SETTINGS).absent
    assert absent == "AIOPS_SECRET_NOT_THERE has characters that no header can carry: copy it again."
