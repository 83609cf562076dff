"""``aiops tools add``: an address and a command are never taken for each other."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from aiops.tool_servers.cli import tools


class Server:
    """Remembers what it is asked to add."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def post(self, path: str, body: dict[str, Any], *, reason: str) -> dict[str, Any]:
        assert (path, reason) == ("/api/mcp-servers/", "")
        self.asked.append(body)
        return {**body, "status": "unknown"}


@pytest.fixture
def add() -> Any:
    """Runs ``aiops tools add``; returns its result and what it asked the server for."""
    server = Server()

    def run(*words: str) -> tuple[Result, dict[str, Any] | None]:
        result = CliRunner().invoke(tools, ["add", *words], obj=lambda url: server)
        return result, server.asked[0] if server.asked else None

    return run


@pytest.mark.parametrize("where", ["notaurl", "netbox.example.org/mcp", "ftp://netbox.example.org", "localhost:8000"])
def test_what_is_no_address_is_refused_with_both_ways_to_write_it(add: Any, where: str) -> None:
    result, asked = add("netbox", where)
    assert (result.exit_code, asked) == (2, None)
    assert f"'{where}' is not an address: it must begin with http:// or https://" in " ".join(result.output.split())
    assert f"aiops tools add netbox -- {where}" in result.output


@pytest.mark.parametrize(
    ("words", "command", "args"),
    [
        (["--", "npx", "some-mcp-server", "/srv/files"], "npx", ["some-mcp-server", "/srv/files"]),
        (["--env", "LEVEL=3", "--", "npx", "-y", "--", "x"], "npx", ["-y", "--", "x"]),
        (["/usr/local/bin/server", "stdio"], "/usr/local/bin/server", ["stdio"]),
        (["./server"], "./server", []),
        (["--", "{python}", "-m", "ours"], "{python}", ["-m", "ours"]),
    ],
)
def test_a_command_follows_two_dashes_or_is_a_path(add: Any, words: list[str], command: str, args: list[str]) -> None:
    result, asked = add("files", *words)
    assert result.exit_code == 0, result.output
    assert (asked["protocol"], asked["command"], asked["args"]) == ("stdio", command, args)


def test_an_address_is_one_in_any_case(add: Any) -> None:
    result, asked = add("netbox", "--sse", "HTTPS://netbox.example.org/sse")
    assert result.exit_code == 0, result.output
    assert (asked["protocol"], asked["url"]) == ("sse", "HTTPS://netbox.example.org/sse")


def test_an_address_takes_no_arguments(add: Any) -> None:
    result, asked = add("netbox", "https://netbox.example.org", "more")
    assert (result.exit_code, asked) == (2, None)
    assert "'more'" in result.output


def test_the_times_of_a_slow_server_are_given_when_it_is_added(add: Any) -> None:
    result, asked = add("netbox", "https://netbox.example.org/mcp", "--handshake", "20", "--call", "120")
    assert result.exit_code == 0, result.output
    assert (asked["handshake_s"], asked["call_s"]) == (20, 120)


def test_times_that_are_no_seconds_are_refused(add: Any) -> None:
    result, asked = add("netbox", "https://netbox.example.org/mcp", "--call", "0")
    assert (result.exit_code, asked) == (2, None)
    assert "--call" in result.output
