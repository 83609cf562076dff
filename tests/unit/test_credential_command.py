"""``aiops tools credential``: a value is piped in, and sent without a key that would keep a digest of it."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner, Result

from aiops.tool_servers.cli import tools

SECRET = "canary-of-ann-1"


class Server:
    """Knows a credential for gitlab, and remembers what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def get(self, path: str, **_: Any) -> Any:
        row = {"id": "1", "server": "gitlab", "problem": "", "updated_at": "2026-11-25T20:11:00Z"}
        return {"results": [row], "next": None}

    def post(self, path: str, body: Any, *, secret: bool = False, reason: str = "") -> Any:
        self.asked.append(("POST", path, body, secret))
        return {**body, "status": "unknown", "accept_tools": True}

    def patch(self, path: str, body: Any) -> Any:
        self.asked.append(("PATCH", path, body))

    def delete(self, path: str) -> None:
        self.asked.append(("DELETE", path))


@pytest.fixture
def server() -> Server:
    return Server()


def run(server: Server, *words: str, piped: str = "") -> Result:
    return CliRunner().invoke(tools, [*words], obj=lambda url: server, input=piped)


def test_a_credential_is_stored_replaced_and_removed_and_never_printed(server: Server) -> None:
    made = [
        run(server, "credential", "set", "netbox", piped=f"{SECRET}\n"),
        run(server, "credential", "set", "gitlab", piped=f"{SECRET}\n"),
        run(server, "credential", "remove", "gitlab"),
    ]
    assert [one.output for one in made] == ["netbox\tset\n", "gitlab\tchanged\n", "gitlab\tremoved\n"]
    path = "/api/tool-credentials/"
    assert server.asked == [
        ("POST", path, {"server": "netbox", "secret": SECRET}, True),
        ("PATCH", f"{path}1/", {"secret": SECRET}),
        ("DELETE", f"{path}1/"),
    ]


def test_a_value_on_the_command_line_is_refused(server: Server) -> None:
    assert run(server, "credential", "set", "gitlab", SECRET).exit_code == 2
    assert server.asked == []


def test_what_is_not_there_is_not_removed(server: Server) -> None:
    refused = run(server, "credential", "remove", "netbox")
    assert refused.exit_code != 0
    assert server.asked == []


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        (["--own"], {"credential": "user"}),
        (["--own-header", "Private-Token"], {"credential": "user", "credential_header": "Private-Token"}),
        ([], {}),
    ],
)
def test_a_server_is_added_with_whose_credential_it_gets(
    server: Server, words: list[str], fields: dict[str, str]
) -> None:
    assert run(server, "add", "gitlab", "https://gitlab.example.org/mcp", *words).exit_code == 0
    ((_, _, body, _),) = server.asked
    assert {name: body[name] for name in body if name.startswith("credential")} == fields
